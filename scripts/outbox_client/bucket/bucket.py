"""The bucket by obstore, which reads several times faster than the SDKs, with our errors."""

import contextlib
import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import obstore
from obstore import exceptions
from obstore.store import GCSStore, S3Store

from truss_outbox.contract.errors import (
    AlreadyExistsError,
    NotFoundError,
    ObjectTooLargeError,
    StoreError,
    StoreUnavailableError,
)
from truss_outbox.stores.network import Place

from ..threads import Task, in_steps, in_threads
from .calls import Calls
from .errors import Credentials, check_is_object, is_of_ranges, translated
from .foreign import ForeignObjects
from .listed import ListedPage, StoredObject
from .listing.pages import Listing
from .listing.spans import ListedSpan
from .native import DELETED_AT_ONCE, NativeBucket

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from .listing.s3_pages import S3Pages

MOST_WORKERS = 256
"""Calls at a time, where the bucket is so far that they get more done."""

_FIRST_WORKERS = 16
_CHUNK_BYTES = 1 << 20
_PART_BYTES, _PARTS_AT_ONCE = 8 << 20, 2
"""Of a file that is uploaded. S3 takes 10,000 parts: 80 GB."""
T = TypeVar("T")
U = TypeVar("U")


class Bucket:
    """Objects under a root. Safe to use from several threads.

    A call to a bucket that is unavailable is repeated, as `waiting` says and `Calls` explains.
    `stepwise` gives the same store for calls that are many requests, in which each is repeated.
    `address` is where it is asked. `foreign` is what was met in it that is not Outbox's. Without a
    `native` one, objects are listed by obstore alone: under their exact keys, or not at all.
    Without `bulk` pages, many objects are listed as few are.
    """

    def __init__(
        self,
        store: "ObjectStore",
        *,
        root: str,
        stepwise: "Callable[[], ObjectStore] | None" = None,
        native: NativeBucket | None = None,
        bulk: "Callable[[], S3Pages] | None" = None,
        foreign: ForeignObjects | None = None,
        place: Place | None = None,
        credentials: Credentials[object] | None = None,
    ) -> None:
        """`place` is where the store asks, and `credentials` what it asks for them: for errors."""
        self.root = root
        self.foreign = ForeignObjects() if foreign is None else foreign
        self._store = store
        self._stepwise = stepwise or (lambda: store)
        self._native = native
        place = place or Place(of="the bucket", url=root)
        self.address = place.url
        self.workers = MOST_WORKERS
        self.calls = Calls(partial(translated, place=place, credentials=credentials))
        self._listing = Listing(store, native, bulk)

    def waiting(
        self,
        *,
        timeout_seconds: float | None = None,
        on_wait: Callable[[float], None] | None = None,
        workers: int | None = None,
    ) -> Self:
        """The same bucket, waited for in another way, or by fewer, where one is given."""
        other = copy.copy(self)
        calls = other.calls = copy.copy(self.calls)
        if workers is not None:
            other.workers = workers
        if timeout_seconds is not None:
            calls.timeout_seconds = timeout_seconds
        if on_wait is not None:
            calls.on_wait = on_wait
        return other

    def in_threads(
        self,
        function: Callable[[U], T],
        items: Iterable[U],
        *,
        halt: Callable[[], None] | None = None,
    ) -> Iterator[T]:
        """As `threads.in_threads`, for a function that asks the bucket: as many at a time, up to
        `workers`, as its distance makes worth while."""
        first = min(_FIRST_WORKERS, self.workers)
        return in_threads(function, items, workers=first, most=self.workers, halt=halt)

    def in_steps(
        self, tasks: Iterable[Task[T]], *, halt: Callable[[], None] | None = None
    ) -> Iterator[T]:
        """As `threads.in_steps`, for calls that ask the bucket: as many as in `in_threads`."""
        first = min(_FIRST_WORKERS, self.workers)
        return in_steps(tasks, workers=first, most=self.workers, halt=halt)

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key below `prefix`, which ends in a slash. Raises StoreError."""
        return (found.key for found in self.objects(prefix))

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """Every object below `prefix`; those that share a longer prefix follow one another."""
        for page in self.pages(prefix, after=None):
            yield from page

    def pages(self, prefix: str, *, after: str | None) -> Iterator[ListedPage]:
        """Those with `after` < key, compared as bytes, by pages, none of which is empty.

        None is no bound. Where the bucket does not list in order, this costs as much as listing
        everything. Raises StoreError.
        """
        return self._listing.pages(prefix, after=after, calls=self.calls)

    def bulk_pages(self, prefix: str, *, after: str | None) -> Iterator[ListedPage]:
        """As `pages`, for who lists tens of thousands and looks closer at few: a page may take a
        quarter of the time, but the first one 0.1 seconds."""
        return self._listing.bulk_pages(prefix, after=after, calls=self.calls)

    def span(
        self,
        prefix: str,
        *,
        after: str | None,
        until: str | None,
        known: bytes | None,
        in_bulk: bool,
    ) -> ListedSpan | None:
        """Those of the `pages` up to the key `until`; None where their digest is the `known` one.

        `in_bulk`: as `bulk_pages`, and those with a known digest are not even read.
        """
        return self._listing.span(
            prefix, after=after, until=until, known=known, in_bulk=in_bulk, calls=self.calls
        )

    def time(self) -> datetime:
        """By the clock that dates the objects. Raises StoreError where the bucket does not tell."""
        native = self._native
        return datetime.now(UTC) if native is None else self.calls.patiently(native.time)

    def folders(self, prefix: str) -> list[str]:
        """What lies right below `prefix` and has something below it. Raises StoreError.

        None where the bucket has a folder there that obstore refuses to name.
        """
        return self._listing.folders(self._stepwise(), prefix, self.calls)

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted and can begin anywhere; a directory's do not."""
        return self._listing.in_order

    def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """All bytes of a small object; of one with more than `max_bytes`, no more is read.

        Raises NotFoundError, ObjectTooLargeError, StoreError.
        """

        def get() -> bytes:
            if max_bytes and (data := self._ranged(key, max_bytes + 1)) is not None:
                if len(data) > max_bytes:
                    raise ObjectTooLargeError(key, max_bytes=max_bytes)
                return data
            found = obstore.get(self._store, key)
            check_is_object(self._store, found.meta)
            # The answer's header has the size: of a larger object's body nothing is read.
            if max_bytes is not None and found.meta["size"] > max_bytes:
                raise ObjectTooLargeError(key, max_bytes=max_bytes)
            return bytes(found.bytes())

        return self.calls.call(key, get)

    def _ranged(self, key: str, length: int) -> bytes | None:
        """Its beginning, with fewer steps than to read it all.

        None where only reading it all will tell: it is empty, or what answers ignores ranges.
        """
        if not isinstance(self._store, S3Store | GCSStore):
            return None
        try:
            return bytes(obstore.get_range(self._store, key, start=0, length=length))
        except exceptions.BaseError as error:
            if is_of_ranges(error):
                return None
            raise

    def get_range(self, key: str, *, start: int, length: int) -> memoryview:
        """A range that the object has, without a copy. Raises NotFoundError, StoreError."""
        return self.calls.call(
            key, lambda: memoryview(obstore.get_range(self._store, key, start=start, length=length))
        )

    def range_chunks(
        self,
        key: str,
        *,
        start: int,
        length: int,
        check_size: Callable[[int], None] = lambda _: None,
    ) -> Iterator[memoryview]:
        """The range, about a mebibyte at a time. Raises NotFoundError, StoreError.

        `check_size` is told the object's size before anything comes.
        """
        place, end = start, start + length

        def begin() -> Iterator[Any]:
            found = obstore.get(self._store, key, options={"range": (place, end)})
            check_size(found.meta["size"])
            return iter(found.stream(min_chunk_size=_CHUNK_BYTES))

        for chunk in self.calls.resumed(key, begin):
            place += len(chunk)
            yield memoryview(chunk)

    def size(self, key: str) -> int:
        """In bytes. Raises NotFoundError, StoreError."""

        def size() -> int:
            meta = obstore.head(self._store, key)
            check_is_object(self._store, meta)
            return meta["size"]

        return self.calls.call(key, size)

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except NotFoundError:
            return False
        return True

    def put(self, key: str, data: bytes) -> None:
        """Store `data` in place of what is there: for `jobs/` alone, which is derived."""
        self.calls.call(key, lambda: obstore.put(self._store, key, data))

    def create(self, key: str, data: bytes) -> None:
        """Store `data` unless the key is taken: for keys that name their own content."""
        with contextlib.suppress(AlreadyExistsError):
            self.create_new(key, data)

    def create_new(self, key: str, data: bytes) -> None:
        """Raises AlreadyExistsError where the key is taken, and StoreError.

        Taken also by this very call, where a first answer was lost.
        """
        self.calls.call(
            key,
            lambda: obstore.put(self._store, key, data, mode="create"),
            is_conditional=True,
        )

    def upload(self, key: str, path: Path) -> None:
        """Stream a large file in parts; readers see all of it or nothing."""
        store = self._stepwise()

        def put() -> None:
            with self.calls.translated(key):
                obstore.put(
                    store, key, path, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
                )

        try:
            put()
        except StoreUnavailableError:
            # Now the time to wait begins: a large file takes longer than that.
            self.calls.patiently(put)

    def delete(self, key: str) -> None:
        self.calls.call(key, lambda: obstore.delete(self._store, key))

    def delete_many(
        self, keys: Iterable[str], told: Callable[[str, StoreError | None], None]
    ) -> None:
        """A thousand a call where the bucket takes so many.

        `told` hears of each key once it is gone (None) or kept (why); of several at a time, in
        other threads. Raises StoreUnavailableError.
        """
        keys = iter(keys)
        while some := list(itertools.islice(keys, DELETED_AT_ONCE)):
            known = self._deleted_together(some)
            for key, error in known.items():
                told(key, error)
            left, delete = [key for key in some if key not in known], partial(self._tell_of, told)
            # Where nothing is gained by it, they go in order.
            if self.lists_in_order:
                for _ in self.in_threads(delete, left):
                    pass
            else:
                for key in left:
                    delete(key)

    def _deleted_together(self, keys: Sequence[str]) -> Mapping[str, StoreError | None]:
        native = self._native
        if native is None or len(keys) == 1:
            return {}
        try:
            return self.calls.patiently(lambda: native.delete_many(keys))
        except StoreUnavailableError:
            raise
        except StoreError:  # also where single keys may be deleted
            return {}

    def _tell_of(self, told: Callable[[str, StoreError | None], None], key: str) -> None:
        error: StoreError | None = None
        try:
            self.delete(key)
        except NotFoundError:  # somebody else was here
            pass
        except StoreUnavailableError:
            raise
        except StoreError as refused:
            error = refused
        told(key, error)

    def link(self, key: str, *, life: timedelta) -> str:
        """A URL whose holder may read the object, of S3 alone. Raises StoreError."""
        if not isinstance(self._store, S3Store):
            raise StoreError(key, "only S3's links are signed here")
        store = self._store
        return self.calls.call(key, lambda: obstore.sign(store, "GET", key, life))
