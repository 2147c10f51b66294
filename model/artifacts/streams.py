"""Copying bytes while their SHA-256 is taken."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from model.artifacts.errors import ObjectTooLargeError, StoreError

CHUNK_BYTES = 1 << 20


def chunks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def copy_hashed(source: BinaryIO, target: BinaryIO) -> str:
    """Copy to the source's end; returns the SHA-256 (hex) of what was copied."""
    digest = hashlib.sha256()
    for chunk in chunks(source):
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest()


class VerifyingReader:
    """A file that is read once, from its beginning.

    Its last bytes are given out only if all `size` of them have the SHA-256; else reading raises
    StoreError, so that whoever sends them never finishes.
    """

    def __init__(self, source: BinaryIO, *, key: str, size: int, sha256: str) -> None:
        self._source = source
        self._key = key
        self._size = size
        self._sha256 = sha256
        self._digest = hashlib.sha256()

    def read(self, count: int = -1) -> bytes:
        data = self._source.read(count)
        self._digest.update(data)
        if self.tell() >= self._size and self._digest.hexdigest() != self._sha256:
            raise StoreError(self._key, "the file's SHA-256 is not the one given")
        return data

    def tell(self) -> int:
        return self._source.tell()


class BoundedWriter:
    """A new file that does not grow beyond its limit; it stays only if all of it was written."""

    def __init__(self, target: BinaryIO, *, key: str, max_bytes: int) -> None:
        self._target = target
        self._key = key
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()

    @classmethod
    @contextlib.contextmanager
    def created(cls, path: Path, *, key: str, max_bytes: int) -> Iterator[Self]:
        """Writing raises ObjectTooLargeError."""
        with path.open("xb") as target:
            try:
                yield cls(target, key=key, max_bytes=max_bytes)
            except BaseException:
                path.unlink()
                raise

    def write(self, data: bytes) -> int:
        if self._target.tell() + len(data) > self._max_bytes:
            raise ObjectTooLargeError(self._key, max_bytes=self._max_bytes)
        self._digest.update(data)
        return self._target.write(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()
