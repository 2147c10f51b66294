"""The bucket by obstore, which reads several times faster than the SDKs, with our errors."""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

import obstore
from obstore import exceptions
from obstore.store import LocalStore, S3Store

from truss_outbox.contract.errors import (
    AlreadyExistsError,
    NotFoundError,
    ObjectTooLargeError,
    StoreError,
    StoreUnavailableError,
)
from truss_outbox.contract.inputs import is_readable

from .errors import translated
from .foreign import ForeignObjects

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredObject:
    """What a listing says of an object; `modified_at` has a time zone."""

    key: str
    size: int
    modified_at: datetime


class NativeBucket(Protocol):
    """What obstore does not do. All methods raise StoreError."""

    def objects(self, prefix: str, *, after: str | None) -> Iterator[StoredObject]:
        """Those below `prefix` after the key `after`, each under its exact key."""

    def time(self) -> datetime:
        """By the clock that dates the objects."""


_ATTEMPTS = 3
_CHUNK_BYTES = 1 << 20
_PAGE_KEYS = 1000
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


def _is_refused_key(error: StoreError) -> bool:
    """One object whose key obstore refuses (`a//b`) keeps it from listing any."""
    return isinstance(error.__cause__, exceptions.InvalidPathError)


def _native_page(objects: Iterator[StoredObject]) -> tuple[list[StoredObject], bool]:
    """Many, up to one that obstore can go on after; and whether they are the last."""
    page = list[StoredObject]()
    for found in objects:
        page.append(found)
        if len(page) >= _PAGE_KEYS and is_readable(found.key):
            return page, False
    return page, True


class Bucket:
    """Objects under a root. Safe to use from several threads.

    `foreign` is what was met in it that is not Outbox's. Without a `native` one, objects are
    listed by obstore alone: under their exact keys, or not at all.
    """

    def __init__(
        self,
        store: "ObjectStore",
        *,
        root: str,
        native: NativeBucket | None = None,
        foreign: ForeignObjects | None = None,
    ) -> None:
        self.root = root
        self.foreign = ForeignObjects() if foreign is None else foreign
        self._store = store
        self._native = native

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
        for page in self._pages(prefix, after):
            for found in page:
                if until is None or found.key <= until:
                    yield found
            # In a sorted listing nothing that is wanted comes after.
            if self.lists_in_order and until is not None and page[-1].key >= until:
                return

    def _pages(self, prefix: str, after: str | None) -> Iterator[Sequence[StoredObject]]:
        if self._native is None:
            yield from self._quick_pages(prefix, after)
        elif self.lists_in_order:
            yield from self._exact_pages(self._native, prefix, after)
        else:
            objects = self._native.objects(prefix, after=after)
            while page := list(itertools.islice(objects, _PAGE_KEYS)):
                yield page

    def _exact_pages(
        self, native: NativeBucket, prefix: str, after: str | None
    ) -> Iterator[Sequence[StoredObject]]:
        """By obstore; where it would shorten a key, or refuses to list any, a page natively."""
        is_last = False
        while not is_last:
            try:
                for page in self._quick_pages(prefix, after):
                    # Of a folder's marker, which is empty, obstore drops the slash at its end.
                    if any(found.size == 0 for found in page):
                        break
                    yield page
                    after = page[-1].key
                else:
                    return
            except StoreError as error:
                if not _is_refused_key(error):
                    raise
            found, is_last = _native_page(native.objects(prefix, after=after))
            if found:
                yield found
                after = found[-1].key

    def _quick_pages(self, prefix: str, after: str | None) -> Iterator[Sequence[StoredObject]]:
        with translated(prefix):
            for page in obstore.list(self._store, prefix, offset=after):
                yield [
                    StoredObject(
                        key=meta["path"], size=meta["size"], modified_at=meta["last_modified"]
                    )
                    for meta in page
                ]

    def time(self) -> datetime:
        """By the clock that dates the objects. Raises StoreError where the bucket does not tell."""
        return datetime.now(UTC) if self._native is None else self._native.time()

    @repeated
    def folders(self, prefix: str) -> list[str]:
        """What lies right below `prefix` and has something below it. Raises StoreError.

        None where the bucket has a folder there that obstore refuses to name.
        """
        try:
            with translated(prefix):
                return list(obstore.list_with_delimiter(self._store, prefix)["common_prefixes"])
        except StoreError as error:
            if _is_refused_key(error):
                return []
            raise

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
