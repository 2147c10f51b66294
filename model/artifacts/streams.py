"""Copying bytes while their SHA-256 is taken."""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

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
