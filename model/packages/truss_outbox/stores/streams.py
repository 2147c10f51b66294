"""Copying bytes while their SHA-256 is taken."""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from ..contract.errors import ObjectTooLargeError

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class FileDigest:
    """Size and SHA-256 (hexadecimal) of some bytes."""

    sha256: str
    size: int

    @classmethod
    def of(cls, data: bytes) -> Self:
        return cls(sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def chunks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def copy_hashed(source: BinaryIO, target: BinaryIO) -> FileDigest:
    """Copy to the source's end, from its beginning to that of the target."""
    digest = hashlib.sha256()
    for chunk in chunks(source):
        digest.update(chunk)
        target.write(chunk)
    return FileDigest(sha256=digest.hexdigest(), size=target.tell())


class HashingReader:
    """A file that is read once, from its beginning; `digest` covers the bytes read so far."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._digest = hashlib.sha256()

    def read(self, count: int = -1) -> bytes:
        data = self._source.read(count)
        self._digest.update(data)
        return data

    def tell(self) -> int:
        return self._source.tell()

    @property
    def digest(self) -> FileDigest:
        return FileDigest(sha256=self._digest.hexdigest(), size=self.tell())


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
        # What the store says of an object's size may be missing or wrong: what comes is counted.
        if self._target.tell() + len(data) > self._max_bytes:
            raise ObjectTooLargeError(self._key, max_bytes=self._max_bytes)
        self._digest.update(data)
        return self._target.write(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()
