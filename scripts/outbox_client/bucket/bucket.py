"""The bucket by obstore, which reads several times faster than the SDKs, with our errors."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import obstore
from obstore.store import LocalStore, S3Store

from truss_outbox.contract.errors import (
    AlreadyExistsError,
    NotFoundError,
    ObjectTooLargeError,
    StoreError,
    StoreUnavailableError,
)

from .errors import translated

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredObject:
    """What a listing says of an object; `modified_at` has a time zone."""

    key: str
    size: int
    modified_at: datetime


_ATTEMPTS = 3
_CHUNK_BYTES = 1 << 20
_PART_BYTES, _PARTS_AT_ONCE = 8 << 20, 2
"""Of a file that is uploaded. S3 takes 10,000 parts: 80 GB."""

P = ParamSpec("P")
R = TypeVar("R")


def repeated(call: Callable[P, R]) -> Callable[P, R]:
    """The call; where the store is unavailable, again: a few times, with growing pauses."""

    @functools.wraps(call)
    def first(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except StoreUnavailableError:
            # Only now: stamina's preparations alone take as long as a small GET.
            import stamina  # noqa: PLC0415  # 0.05 seconds

            again = stamina.retry(on=StoreUnavailableError, attempts=_ATTEMPTS)(call)
            return again(*args, **kwargs)

    return first


class Bucket:
    """Objects under a root. Safe to use from several threads."""

    def __init__(self, store: "ObjectStore", *, root: str) -> None:
        self.root = root
        self._store = store

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key below `prefix`, which ends in a slash. Raises StoreError."""
        return (found.key for found in self.objects(prefix))

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """Every object below `prefix`; those that share a longer prefix follow one another."""
        return self.objects_between(prefix, after=None, until=None)

    def objects_between(
        self, prefix: str, *, after: str | None, until: str | None
    ) -> Iterator[StoredObject]:
        """Those with `after` < key <= `until`, compared as bytes; None is no bound.

        Where the bucket does not list in order, this costs as much as listing everything.
        """
        with translated(prefix):
            for page in obstore.list(self._store, prefix, offset=after):
                for meta in page:
                    if until is None or meta["path"] <= until:
                        yield StoredObject(
                            key=meta["path"], size=meta["size"], modified_at=meta["last_modified"]
                        )
                # In a sorted listing nothing that is wanted comes after.
                if self.lists_in_order and until is not None and page[-1]["path"] >= until:
                    return

    @repeated
    def folders(self, prefix: str) -> list[str]:
        """What lies right below `prefix` and has something below it. Raises StoreError."""
        with translated(prefix):
            return list(obstore.list_with_delimiter(self._store, prefix)["common_prefixes"])

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted and can begin anywhere; a directory's do not."""
        return not isinstance(self._store, LocalStore)

    @repeated
    def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """All bytes of a small object; of one with more than `max_bytes`, none is read.

        Raises NotFoundError, ObjectTooLargeError, StoreError.
        """
        with translated(key):
            found = obstore.get(self._store, key)
            # The answer's header has the size: of a larger object's body nothing is read.
            if max_bytes is not None and found.meta["size"] > max_bytes:
                raise ObjectTooLargeError(key, max_bytes=max_bytes)
            return bytes(found.bytes())

    @repeated
    def get_range(self, key: str, *, start: int, length: int) -> memoryview:
        """A range that the object has, without a copy. Raises NotFoundError, StoreError."""
        with translated(key):
            return memoryview(obstore.get_range(self._store, key, start=start, length=length))

    def range_chunks(self, key: str, *, start: int, length: int) -> Iterator[memoryview]:
        """The range, about a mebibyte at a time. Raises NotFoundError, StoreError."""
        with translated(key):
            found = obstore.get(self._store, key, options={"range": (start, start + length)})
            for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
                yield memoryview(chunk)

    @repeated
    def size(self, key: str) -> int:
        """In bytes. Raises NotFoundError, StoreError."""
        with translated(key):
            return obstore.head(self._store, key)["size"]

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except NotFoundError:
            return False
        return True

    @repeated
    def put(self, key: str, data: bytes) -> None:
        """Store `data` in place of what is there: for `jobs/` alone, which is derived."""
        with translated(key):
            obstore.put(self._store, key, data)

    @repeated
    def create(self, key: str, data: bytes) -> None:
        """Store `data` unless the key is taken: for keys that name their own content."""
        with contextlib.suppress(AlreadyExistsError):
            self.create_new(key, data)

    def create_new(self, key: str, data: bytes) -> None:
        """One call. Raises AlreadyExistsError where the key is taken, and StoreError."""
        with translated(key):
            obstore.put(self._store, key, data, mode="create")

    @repeated
    def upload(self, key: str, path: Path) -> None:
        """Stream a large file in parts; readers see all of it or nothing."""
        with translated(key):
            obstore.put(
                self._store, key, path, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
            )

    def delete(self, key: str) -> None:
        with translated(key):
            obstore.delete(self._store, key)

    def link(self, key: str, *, life: timedelta) -> str:
        """A URL whose holder may read the object, of S3 alone. Raises StoreError."""
        if not isinstance(self._store, S3Store):
            raise StoreError(key, "only S3's links are signed here")
        with translated(key):
            return obstore.sign(self._store, "GET", key, life)
