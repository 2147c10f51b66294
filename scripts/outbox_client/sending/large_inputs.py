"""What travels ahead of a request, by the bucket, under its hash."""

import contextlib
import hashlib
import os
from pathlib import Path
from threading import BoundedSemaphore

from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.keys import input_key

from ..bucket.bucket import Bucket
from ..sources.readable import readable, shown_path

IN_MEMORY_BYTES = 8 << 20

_LIGHT_BYTES = 256 << 10
_IN_MEMORY = BoundedSemaphore(6)
"""Files at a time that are neither light nor streamed."""

_STREAMED = BoundedSemaphore(2)
# Module-wide: several calls at a time share the memory of one process.


def stage_file(path: Path, bucket: Bucket) -> str:
    """The key, once the bucket holds the file; equal files share one."""
    with readable(path):
        data = _read_light(path)
        if data is not None:
            return stage_bytes(data, bucket)
        size = path.stat().st_size
        with _room(size):
            if size > IN_MEMORY_BYTES:
                return _stream(path, bucket)
            return stage_bytes(path.read_bytes(), bucket)


def _read_light(path: Path) -> bytes | None:
    """With no more system calls than it takes, which shows with many small files; None of others.

    Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        data = os.read(descriptor, size + 1) if size <= _LIGHT_BYTES else None
        return data if data is not None and len(data) == size else None
    finally:
        os.close(descriptor)


def stage_bytes(data: bytes, bucket: Bucket) -> str:
    key = input_key(hashlib.sha256(data).hexdigest())
    bucket.create(key, data)
    return key


def _room(size: int) -> contextlib.AbstractContextManager[object]:
    """A place among the files that are on their way: all of them together hold little memory."""
    if size <= _LIGHT_BYTES:
        return contextlib.nullcontext()
    return _IN_MEMORY if size <= IN_MEMORY_BYTES else _STREAMED


def _stream(path: Path, bucket: Bucket) -> str:
    before = path.stat()
    with path.open("rb") as file:
        key = input_key(hashlib.file_digest(file, "sha256").hexdigest())
    if not bucket.exists(key):  # sent before, or by another job: content has one place
        bucket.upload(key, path)
        after = path.stat()
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            # What is stored may not be what its name says.
            bucket.delete(key)
            raise changed(path)
    return key


def changed(path: Path) -> InvalidInputError:
    return InvalidInputError(
        "PATH", f"{shown_path(path)} changed while it was read; submit it again"
    )
