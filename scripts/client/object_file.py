"""A stored object as a file that is read where it is needed."""

import io
from typing import Protocol


class Ranges(Protocol):
    def get_range(self, key: str, *, start: int, length: int) -> memoryview:
        """Bytes that the object has. Raises NotFoundError, StoreError."""


class ObjectFile(io.RawIOBase):
    """Each read is one ranged GET. `size` is the object's, as a listing tells it."""

    def __init__(self, bucket: Ranges, key: str, *, size: int) -> None:
        self._bucket = bucket
        self._key = key
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        length = min(len(buffer), max(0, self._size - self._position))
        if length:
            data = self._bucket.get_range(self._key, start=self._position, length=length)
            length = len(data)
            buffer[:length] = data
            self._position += length
        return length
