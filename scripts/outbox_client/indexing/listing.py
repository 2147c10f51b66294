"""Which manifests an index lacks: listing them all, next to those that it has."""

import itertools
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from ..bucket.bucket import Bucket
from ..bucket.listed import ListedPage, StoredObject
from ..bucket.records import MANIFESTS, only_manifests
from ..threads import in_threads
from .known import KnownManifests, KnownSpan, PathsDigest

_AT_ONCE = 16
"""Spans, of which some are read and some wait to be compared: with their pages they take memory."""

_MANY_SPANS = 10
"""Listed with less of the processor, which is worth the time that getting ready for it takes."""

_SPAN_KEYS, _MOST_SPAN_KEYS = 3_900, 4_000
"""Four pages, with room for what comes: a span takes no call more than its share of a listing."""
_HELD_PAGES = 10
"""Of a span, at most: one that has so many is listed on as it is looked through."""


def new_manifests(bucket: Bucket, prefix: str, known: KnownManifests) -> Iterator[StoredObject]:
    """What may be a manifest below `manifests/<prefix>` and is not known, each once.

    A listing costs a call for a thousand manifests; many are made at the same time where the
    bucket lists in order. Raises StoreError, and sqlite3.Error.
    """
    listing = _Listing(bucket, f"{MANIFESTS}{prefix}", known)
    found = listing.by_spans() if bucket.lists_in_order else listing.whole()
    return only_manifests(bucket, found)


class _OutOfOrderError(Exception):
    """The listing did not come in the order of the keys' bytes, or not from where it was asked."""


class _Listing:
    def __init__(self, bucket: Bucket, prefix: str, known: KnownManifests) -> None:
        self._bucket, self._prefix, self._known = bucket, prefix, known
        self._list = bucket.pages

    def whole(self) -> Iterator[StoredObject]:
        for page in self._bucket.pages(self._prefix, after=None):
            yield from _among(page, self._known.unknown(page.keys))

    def by_spans(self) -> Iterator[StoredObject]:
        """Several spans at a time; where that shows another order than theirs, all in one."""
        came = array("q")  # hashes: one in 2**60 comes with the next run
        try:
            spans = self._known.spans(_SPAN_KEYS, most=_MOST_SPAN_KEYS)
            if len(spans) >= _MANY_SPANS:
                self._list = self._bucket.bulk_pages
            workers = min(_AT_ONCE, self._bucket.workers)
            for span, pages in in_threads(self._listed, spans, workers=workers):
                for found in self._new(span, pages):
                    came.append(hash(found.key))
                    yield found
        except _OutOfOrderError:
            have_come = set(came)
            yield from (found for found in self.whole() if hash(found.key) not in have_come)

    def _listed(self, span: KnownSpan) -> tuple[KnownSpan, Iterator[ListedPage]]:
        """The span's pages; none where all that they have is known. Raises _OutOfOrderError.

        That holds in whatever order the bucket lists: nothing else came up to the span's end.
        """
        held, pages, digest = list[ListedPage](), self._pages(span), PathsDigest()
        for page in itertools.islice(pages, _HELD_PAGES):
            held.append(page)
            digest.update(_within(page, span))
        if len(held) < _HELD_PAGES and digest.digest() == span.digest:
            return span, iter(())
        return span, itertools.chain(held, pages)

    def _pages(self, span: KnownSpan) -> Iterator[ListedPage]:
        """Up to the one with the span's end. Raises _OutOfOrderError."""
        for page in self._list(self._prefix, after=span.after):
            yield page
            if span.until is not None and page.keys[-1] >= span.until:
                return
        if span.until is not None:
            raise _OutOfOrderError

    def _new(self, span: KnownSpan, pages: Iterator[ListedPage]) -> Iterator[StoredObject]:
        """What is not known of a span's pages. Raises _OutOfOrderError.

        Its end is a known path. Where every span comes sorted, from its beginning up to its end
        itself, there is no other path in the bucket.
        """
        after, until, place = span.after, span.until, 0  # of the next known path
        known: list[str] | None = None
        for page in pages:
            known = self._known.within(span) if known is None else known
            paths = page.keys
            if paths == known[place : place + len(paths)]:
                place += len(paths)
            else:
                _check_sorted(paths, after=after)
                end = bisect_right(known, paths[-1])
                within = _within(page, span)
                if until is not None and paths[-1] > until and within[-1:] != [until]:
                    raise _OutOfOrderError
                yield from _among(page, set(within).difference(known[place:end]))
                place = end
            after = paths[-1]


def _within(page: ListedPage, span: KnownSpan) -> Sequence[str]:
    """The page's paths, up to the span's end."""
    until, paths = span.until, page.keys
    return paths if until is None else paths[: bisect_right(paths, until)]


def _among(page: ListedPage, keys: set[str]) -> Iterator[StoredObject]:
    return (
        page.only(place for place, key in enumerate(page.keys) if key in keys) if keys else iter(())
    )


def _check_sorted(paths: Iterable[str], *, after: str | None) -> None:
    if any(a >= b for a, b in itertools.pairwise(itertools.chain([after or ""], paths))):
        raise _OutOfOrderError
