"""The bucket by obstore, which reads several times faster than the SDKs, with our errors."""

import contextlib
import copy
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import obstore
from obstore import exceptions
from obstore.store import GCSStore, LocalStore, S3Store

from truss_outbox.contract.errors import (
    AlreadyExistsError,
    NotFoundError,
    ObjectTooLargeError,
    StoreError,
    StoreUnavailableError,
)
from truss_outbox.contract.inputs import is_readable
from truss_outbox.retrying import LONGEST_WAIT_SECONDS, patiently
from truss_outbox.stores.faults import WebPage
from truss_outbox.stores.network import Place

from ..threads import in_threads, pause
from .errors import Credentials, is_of_no_bucket, translated
from .foreign import ForeignObjects
from .listed import ListedPage, StoredObject

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore


class NativeBucket(Protocol):
    """What obstore does not do. All methods raise StoreError."""

    def objects(self, prefix: str, *, after: str | None) -> Iterator[StoredObject]:
        """Those below `prefix` after the key `after`, each under its exact key."""

    def time(self) -> datetime:
        """By the clock that dates the objects."""

    def delete_many(self, keys: Sequence[str]) -> Mapping[str, StoreError | None]:
        """In one call: what came of each key that the answer is clear about; None: it is gone.

        Empty where the bucket has no such call. `keys` are at most `DELETED_AT_ONCE`.
        """


DELETED_AT_ONCE = 1000
MOST_WORKERS = 256
"""Calls at a time, where the bucket is so far that they get more done."""

_FIRST_WORKERS = 16
_KNOWN_SECONDS = 60.0
"""After so long without a call, it is not known any more whether the bucket is away."""

_NO_TIME = datetime.fromtimestamp(0, UTC)
_CHUNK_BYTES = 1 << 20
_PAGE_KEYS = 1000
_PART_BYTES, _PARTS_AT_ONCE = 8 << 20, 2
"""Of a file that is uploaded. S3 takes 10,000 parts: 80 GB."""
T = TypeVar("T")
U = TypeVar("U")


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

    A call to a bucket that is unavailable is repeated, for `timeout_seconds` in all since anything
    was heard of it; before each pause `on_wait` is told at how many seconds it will end. `waiting`
    changes both.
    `stepwise` gives the same store for calls that are many requests, in which each is repeated.
    `address` is where it is asked. `foreign` is what was met in it that is not Outbox's. Without a
    `native` one, objects are listed by obstore alone: under their exact keys, or not at all.
    """

    def __init__(
        self,
        store: "ObjectStore",
        *,
        root: str,
        stepwise: "Callable[[], ObjectStore] | None" = None,
        native: NativeBucket | None = None,
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
        self._translated = partial(translated, place=place, credentials=credentials)
        self.timeout_seconds = LONGEST_WAIT_SECONDS
        self.on_wait: Callable[[float], None] = lambda _: None
        self.workers = MOST_WORKERS
        self._has_answered = False  # as only a bucket does
        self._away_since: float | None = None
        self._failed_at = 0.0

    def waiting(
        self,
        *,
        timeout_seconds: float | None = None,
        on_wait: Callable[[float], None] | None = None,
        workers: int | None = None,
    ) -> Self:
        """The same bucket, waited for in another way, or by fewer, where one is given."""
        other = copy.copy(self)
        if workers is not None:
            other.workers = workers
        if timeout_seconds is not None:
            other.timeout_seconds = timeout_seconds
        if on_wait is not None:
            other.on_wait = on_wait
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

    def patiently(self, operation: Callable[[], T]) -> T:
        """The operation, repeated while it raises StoreUnavailableError."""
        return patiently(
            lambda: self._noted(operation),
            timeout_seconds=self.timeout_seconds - self._away_seconds(),
            on_wait=self.on_wait,
            pause=pause,
        )

    def _away_seconds(self) -> float:
        """What others have waited already: a bucket that is gone is not waited for by each."""
        since, now = self._away_since, time.monotonic()
        return 0.0 if since is None or now - self._failed_at > _KNOWN_SECONDS else now - since

    def _noted(self, operation: Callable[[], T]) -> T:
        try:
            answer = operation()
        except StoreUnavailableError:
            if not self._away_seconds():
                self._away_since = time.monotonic()
            self._failed_at = time.monotonic()
            raise
        except StoreError:
            self._away_since = None
            raise
        self._away_since = None
        return answer

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
        for page in self.pages(prefix, after=after):
            for found in page:
                if until is None or found.key <= until:
                    yield found
            # In a sorted listing nothing that is wanted comes after.
            if self.lists_in_order and until is not None and page.keys[-1] >= until:
                return

    def pages(self, prefix: str, *, after: str | None) -> Iterator[ListedPage]:
        """As `objects_between`, without an end, by pages, none of which is empty."""
        if self._native is None:
            yield from self._quick_pages(prefix, after)
        elif self.lists_in_order:
            yield from self._exact_pages(self._native, prefix, after)
        else:
            objects = self._native.objects(prefix, after=after)
            while page := list(itertools.islice(objects, _PAGE_KEYS)):
                yield ListedPage.of(page)

    def _exact_pages(
        self, native: NativeBucket, prefix: str, after: str | None
    ) -> Iterator[ListedPage]:
        """By obstore; where it would shorten a key, or refuses to list any, a page natively."""
        is_last = False
        while not is_last:
            try:
                for page in self._quick_pages(prefix, after):
                    # Of a folder's marker, which is empty, obstore drops the slash at its end.
                    if 0 in page.sizes:
                        break
                    yield page
                    after = page.keys[-1]
                else:
                    return
            except StoreError as error:
                if not _is_refused_key(error):
                    raise
            found, is_last = self._native_page(native, prefix, after)
            if found:
                yield ListedPage.of(found)
                after = found[-1].key

    def _native_page(
        self, native: NativeBucket, prefix: str, after: str | None
    ) -> tuple[list[StoredObject], bool]:
        return self.patiently(lambda: _native_page(native.objects(prefix, after=after)))

    def _quick_pages(self, prefix: str, after: str | None) -> Iterator[ListedPage]:
        """A listing that breaks off goes on after the last key that came."""
        last, seen = after, set[str]()

        def begin() -> Iterator[Any]:
            return obstore.list(
                self._store, prefix, offset=last, chunk_size=_PAGE_KEYS, return_arrow=True
            )

        for batch in self._resumed(prefix, begin):
            page = ListedPage.of_batch(batch)
            self._has_answered = True
            if self.lists_in_order:
                last = page.keys[-1]
            else:  # It begins anew, without those.
                page = ListedPage.of([found for found in page if found.key not in seen])
                seen.update(page.keys)
            if page.keys:
                yield page
        if last == after and not self._has_answered:
            self._call(prefix, lambda: self._check_answers(prefix))

    def _check_answers(self, prefix: str) -> None:
        """Raises WebPage where everything has one answer: a web page lists nothing, without error.

        obstore does not show a listing's headers.
        """
        if isinstance(self._store, S3Store | GCSStore):
            try:
                self._check_is_object(obstore.head(self._store, f"{prefix}none"))
            except (OSError, exceptions.BaseError) as error:
                # Whatever else it answers, it is no page.
                if is_of_no_bucket(error):
                    raise

    def _check_is_object(self, meta: "ObjectMeta") -> None:
        """Raises WebPage for what S3 never has: an object without a tag and a time.

        Of GCS obstore takes none such.
        """
        is_bare = meta["e_tag"] is None and meta["last_modified"] == _NO_TIME
        if is_bare and isinstance(self._store, S3Store):
            raise WebPage(200)

    def time(self) -> datetime:
        """By the clock that dates the objects. Raises StoreError where the bucket does not tell."""
        native = self._native
        return datetime.now(UTC) if native is None else self.patiently(native.time)

    def _resumed(self, key: str, begin: Callable[[], Iterator[T]]) -> Iterator[T]:
        """What an iterator yields; where it fails, what a new one does, which goes on there."""
        current: Iterator[T] | None = None

        def step() -> T | None:
            nonlocal current
            with self._translated(key):
                going = begin() if current is None else current
                current = None  # one that fails is not asked again
                found = next(going, None)
                current = going
                return found

        while (found := self.patiently(step)) is not None:
            yield found

    def folders(self, prefix: str) -> list[str]:
        """What lies right below `prefix` and has something below it. Raises StoreError.

        None where the bucket has a folder there that obstore refuses to name.
        """
        store = self._stepwise()
        try:
            return self._call(
                prefix, lambda: list(obstore.list_with_delimiter(store, prefix)["common_prefixes"])
            )
        except StoreError as error:
            if _is_refused_key(error):
                return []
            raise

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted and can begin anywhere; a directory's do not."""
        return not isinstance(self._store, LocalStore)

    def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """All bytes of a small object; of one with more than `max_bytes`, none is read.

        Raises NotFoundError, ObjectTooLargeError, StoreError.
        """

        def get() -> bytes:
            found = obstore.get(self._store, key)
            self._check_is_object(found.meta)
            # The answer's header has the size: of a larger object's body nothing is read.
            if max_bytes is not None and found.meta["size"] > max_bytes:
                raise ObjectTooLargeError(key, max_bytes=max_bytes)
            return bytes(found.bytes())

        return self._call(key, get)

    def get_range(self, key: str, *, start: int, length: int) -> memoryview:
        """A range that the object has, without a copy. Raises NotFoundError, StoreError."""
        return self._call(
            key, lambda: memoryview(obstore.get_range(self._store, key, start=start, length=length))
        )

    def range_chunks(self, key: str, *, start: int, length: int) -> Iterator[memoryview]:
        """The range, about a mebibyte at a time. Raises NotFoundError, StoreError."""
        place, end = start, start + length

        def begin() -> Iterator[Any]:
            found = obstore.get(self._store, key, options={"range": (place, end)})
            return iter(found.stream(min_chunk_size=_CHUNK_BYTES))

        for chunk in self._resumed(key, begin):
            place += len(chunk)
            yield memoryview(chunk)

    def size(self, key: str) -> int:
        """In bytes. Raises NotFoundError, StoreError."""

        def size() -> int:
            meta = obstore.head(self._store, key)
            self._check_is_object(meta)
            return meta["size"]

        return self._call(key, size)

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except NotFoundError:
            return False
        return True

    def put(self, key: str, data: bytes) -> None:
        """Store `data` in place of what is there: for `jobs/` alone, which is derived."""
        self._call(key, lambda: obstore.put(self._store, key, data))

    def create(self, key: str, data: bytes) -> None:
        """Store `data` unless the key is taken: for keys that name their own content."""
        with contextlib.suppress(AlreadyExistsError):
            self.create_new(key, data)

    def create_new(self, key: str, data: bytes) -> None:
        """Raises AlreadyExistsError where the key is taken, and StoreError.

        Taken also by this very call, where a first answer was lost.
        """
        self._call(
            key,
            lambda: obstore.put(self._store, key, data, mode="create"),
            is_conditional=True,
        )

    def upload(self, key: str, path: Path) -> None:
        """Stream a large file in parts; readers see all of it or nothing."""
        store = self._stepwise()

        def put() -> None:
            with self._translated(key):
                obstore.put(
                    store, key, path, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
                )

        try:
            put()
        except StoreUnavailableError:
            # Now the time to wait begins: a large file takes longer than that.
            self.patiently(put)

    def delete(self, key: str) -> None:
        self._call(key, lambda: obstore.delete(self._store, key))

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
            return self.patiently(lambda: native.delete_many(keys))
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
        return self._call(key, lambda: obstore.sign(store, "GET", key, life))

    def _call(self, key: str, call: Callable[[], T], *, is_conditional: bool = False) -> T:
        def translated_call() -> T:
            with self._translated(key, is_conditional=is_conditional):
                answer = call()
                self._has_answered = True
                return answer

        return self.patiently(translated_call)
