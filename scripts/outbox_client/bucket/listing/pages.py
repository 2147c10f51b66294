"""What lies in the bucket, a page at a time: by obstore, and where it cannot, natively."""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import obstore
from obstore import exceptions
from obstore.store import GCSStore, LocalStore, S3Store

from truss_outbox.contract.errors import StoreError
from truss_outbox.contract.inputs import is_readable

from ..calls import Calls
from ..errors import check_is_object, is_of_no_bucket
from ..listed import ListedPage, StoredObject
from ..native import NativeBucket
from .spans import ListedSpan, NotGivenError, held

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from .s3_pages import S3Page, S3Pages

_PAGE_KEYS = 1000


class Listing:
    """Without a `native` bucket, objects are listed under their exact keys, or not at all."""

    def __init__(
        self,
        store: "ObjectStore",
        native: NativeBucket | None,
        bulk: "Callable[[], S3Pages] | None",
    ) -> None:
        self.in_order = not isinstance(store, LocalStore)
        """Whether it comes sorted and can begin anywhere; a directory's does not."""
        self._store = store
        self._native = native
        self._bulk = bulk and functools.cache(bulk)

    def bulk_pages(self, prefix: str, *, after: str | None, calls: Calls) -> Iterator[ListedPage]:
        """As `pages`, of S3 for less: from the first that is not given, they come by `pages`."""
        return self._read(self._answers(prefix, after, calls), prefix, after, calls)

    def span(
        self,
        prefix: str,
        *,
        after: str | None,
        until: str | None,
        known: bytes | None,
        in_bulk: bool,
        calls: Calls,
    ) -> ListedSpan | None:
        """The keys after `after`, up to `until`; None where their digest is the `known` one."""
        if in_bulk:
            with contextlib.suppress(NotGivenError):
                answers = self._answers(prefix, after, calls)
                unread, digest = held(answers, until)
                if known is not None and digest == known:
                    return None
                first = [answer.listed() for answer in unread]
                begin = unread[-1].last_key if unread else after
                rest = self._read(answers, prefix, begin, calls)
                return ListedSpan(pages=itertools.chain(first, rest), digest=digest)
        pages = self.pages(prefix, after=after, calls=calls)
        first, digest = held(pages, until)
        if known is not None and digest == known:
            return None
        return ListedSpan(pages=itertools.chain(first, pages), digest=digest)

    def pages(self, prefix: str, *, after: str | None, calls: Calls) -> Iterator[ListedPage]:
        """Those below `prefix` after the key `after`; no page is empty. Raises StoreError."""
        if self._native is None:
            yield from self._quick_pages(prefix, after, calls)
        elif self.in_order:
            yield from self._exact_pages(self._native, prefix, after, calls)
        else:
            objects = self._native.objects(prefix, after=after)
            while page := list(itertools.islice(objects, _PAGE_KEYS)):
                yield ListedPage.of(page)

    def folders(self, store: "ObjectStore", prefix: str, calls: Calls) -> list[str]:
        """What lies right below `prefix` and has something below it, by `store`.

        None where the bucket has a folder there that obstore refuses to name.
        """
        try:
            return calls.call(
                prefix, lambda: list(obstore.list_with_delimiter(store, prefix)["common_prefixes"])
            )
        except StoreError as error:
            if _is_refused_key(error):
                return []
            raise

    def _answers(self, prefix: str, after: str | None, calls: Calls) -> "Iterator[S3Page]":
        """None of which is empty. Raises NotGivenError."""
        is_last = False
        while not is_last:
            if self._bulk is None:
                raise NotGivenError
            page = self._bulk().page(prefix, after=after)
            # Not from where it was asked, or not by the order of bytes.
            if page.last_key and after is not None and page.last_key <= after:
                raise NotGivenError
            calls.has_answered = True
            if page.last_key:
                yield page
            after, is_last = page.last_key, page.is_last

    def _read(
        self, answers: "Iterator[S3Page]", prefix: str, after: str | None, calls: Calls
    ) -> Iterator[ListedPage]:
        try:
            for answer in answers:
                yield answer.listed()
                after = answer.last_key
        except NotGivenError:
            yield from self.pages(prefix, after=after, calls=calls)

    def _exact_pages(
        self, native: NativeBucket, prefix: str, after: str | None, calls: Calls
    ) -> Iterator[ListedPage]:
        """By obstore; where it would shorten a key, or refuses to list any, a page natively."""
        is_last = False
        while not is_last:
            try:
                for page in self._quick_pages(prefix, after, calls):
                    # Of a folder's marker, which is empty, obstore drops the slash at its end.
                    if page.has_empty:
                        break
                    yield page
                    after = page.keys[-1]
                else:
                    return
            except StoreError as error:
                if not _is_refused_key(error):
                    raise
            found, is_last = _native_page(native, prefix, after, calls)
            if found:
                yield ListedPage.of(found)
                after = found[-1].key

    def _quick_pages(self, prefix: str, after: str | None, calls: Calls) -> Iterator[ListedPage]:
        """A listing that breaks off goes on after the last key that came."""
        last, seen = after, set[str]()

        def begin() -> Iterator[Any]:
            return obstore.list(
                self._store, prefix, offset=last, chunk_size=_PAGE_KEYS, return_arrow=True
            )

        for batch in calls.resumed(prefix, begin):
            page = ListedPage.of_batch(batch)
            calls.has_answered = True
            if self.in_order:
                last = page.keys[-1]
            else:  # It begins anew, without those.
                page = ListedPage.of([found for found in page if found.key not in seen])
                seen.update(page.keys)
            if page.keys:
                yield page
        if last == after and not calls.has_answered:
            calls.call(prefix, lambda: self._check_answers(prefix))

    def _check_answers(self, prefix: str) -> None:
        """Raises WebPage where everything has one answer: a web page lists nothing, without error.

        obstore does not show a listing's headers.
        """
        if isinstance(self._store, S3Store | GCSStore):
            try:
                check_is_object(self._store, obstore.head(self._store, f"{prefix}none"))
            except (OSError, exceptions.BaseError) as error:
                # Whatever else it answers, it is no page.
                if is_of_no_bucket(error):
                    raise


def _is_refused_key(error: StoreError) -> bool:
    """One object whose key obstore refuses (`a//b`) keeps it from listing any."""
    return isinstance(error.__cause__, exceptions.InvalidPathError)


def _native_page(
    native: NativeBucket, prefix: str, after: str | None, calls: Calls
) -> tuple[list[StoredObject], bool]:
    """Many, up to one that obstore can go on after; and whether they are the last."""

    def page() -> tuple[list[StoredObject], bool]:
        found = list[StoredObject]()
        for one in native.objects(prefix, after=after):
            found.append(one)
            if len(found) >= _PAGE_KEYS and is_readable(one.key):
                return found, False
        return found, True

    return calls.patiently(page)
