"""Sections of one open file, each read independently of the others."""

import io
import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER_BYTES = 256 << 10


def open_section(descriptor: int, start: int, length: int) -> BinaryIO:
    """The bytes from `start`, as a file of their own; the descriptor must stay open meanwhile."""
    return io.BufferedReader(FileSection(descriptor, start, length), _BUFFER_BYTES)


class FileSection(io.RawIOBase):
    """Unbuffered; the descriptor's own position is neither used nor moved."""

    def __init__(self, descriptor: int, start: int, length: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._start = start
        self._length = length
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._length}[whence]
        self._place = base + offset
        return self._place

    def readinto(self, buffer: "WriteableBuffer") -> int:
        with memoryview(buffer) as view, view[: max(0, self._length - self._place)] as room:
            # At a place of its own: several threads read one descriptor at a time.
            count = os.preadv(self._descriptor, [room], self._start + self._place)
        self._place += count
        return count
