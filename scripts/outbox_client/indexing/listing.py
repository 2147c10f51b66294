"""Which manifests an index lacks: listing them all, next to those that it has."""

import itertools
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from ..bucket.bucket import Bucket
from ..bucket.listed import ListedPage, StoredObject
from ..bucket.listing.spans import ListedSpan
from ..bucket.records import MANIFESTS, only_manifests
from ..threads import in_threads
from .known import KnownManifests, KnownSpan

_AT_ONCE = 16
"""Spans, of which some are read and some wait to be compared: with their pages they take memory."""

_MANY_SPANS = 10
"""Listed with less of the processor, which is worth the time that getting ready for it takes."""

_SPAN_KEYS, _MOST_SPAN_KEYS = 3_900, 4_000
"""Four pages, with room for what comes: a span takes no call more than its share of a listing."""


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
        self._in_bulk = False

    def whole(self) -> Iterator[StoredObject]:
        for page in self._bucket.pages(self._prefix, after=None):
            yield from _among(page, self._known.unknown(page.keys))

    def by_spans(self) -> Iterator[StoredObject]:
        """Several spans at a time; where that shows another order than theirs, all in one."""
        came = array("q")  # hashes: one in 2**60 comes with the next run
        try:
            spans = self._known.spans(_SPAN_KEYS, most=_MOST_SPAN_KEYS)
            self._in_bulk = len(spans) >= _MANY_SPANS
            workers = min(_AT_ONCE, self._bucket.workers)
            for span, listed in in_threads(self._listed, spans, workers=workers):
                if listed is None:
                    continue
                is_known = True
                for found in self._new(span, _up_to_end(listed.pages, span)):
                    is_known = False
                    came.append(hash(found.key))
                    yield found
                if is_known and listed.digest is not None:
                    self._known.note(span, listed.digest)
        except _OutOfOrderError:
            have_come = set(came)
            yield from (found for found in self.whole() if hash(found.key) not in have_come)

    def _listed(self, span: KnownSpan) -> tuple[KnownSpan, ListedSpan | None]:
        """None of a span that is listed as it was when all of it was known."""
        return span, self._bucket.span(
            self._prefix,
            after=span.after,
            until=span.until,
            known=span.digest,
            in_bulk=self._in_bulk,
        )

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
                within = page.up_to(until)
                if until is not None and paths[-1] > until and within[-1:] != [until]:
                    raise _OutOfOrderError
                yield from _among(page, set(within).difference(known[place:end]))
                place = end
            after = paths[-1]


def _up_to_end(pages: Iterator[ListedPage], span: KnownSpan) -> Iterator[ListedPage]:
    """Raises _OutOfOrderError where none has the span's end."""
    for page in pages:
        yield page
        if span.until is not None and page.last_key >= span.until:
            return
    if span.until is not None:
        raise _OutOfOrderError


def _among(page: ListedPage, keys: set[str]) -> Iterator[StoredObject]:
    return (
        page.only(place for place, key in enumerate(page.keys) if key in keys) if keys else iter(())
    )


def _check_sorted(paths: Iterable[str], *, after: str | None) -> None:
    if any(a >= b for a, b in itertools.pairwise(itertools.chain([after or ""], paths))):
        raise _OutOfOrderError
