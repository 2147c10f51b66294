"""Which manifests an index lacks: listing them all, next to those that it has."""

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from ..bucket.bucket import Bucket
from ..bucket.listed import ListedPage, StoredObject
from ..bucket.records import MANIFESTS, only_manifests
from ..threads import in_threads
from .known import KnownManifests, KnownSpan

_AT_ONCE = 32
_SPAN_KEYS = 4_000
"""Four pages: a span that has nothing new takes no call more than its share of a whole listing."""
_HELD_OF_A_SPAN = 1_000


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

    def whole(self) -> Iterator[StoredObject]:
        for page in self._bucket.pages(self._prefix, after=None):
            yield from _among(page, self._known.unknown(page.keys))

    def by_spans(self) -> Iterator[StoredObject]:
        """Several spans at a time; where that shows another order than theirs, all in one."""
        came = set[int]()  # hashes: one in 2**60 comes with the next run
        try:
            spans = self._known.spans(_SPAN_KEYS)
            workers = min(_AT_ONCE, self._bucket.workers)
            for first, rest in in_threads(self._begun, spans, workers=workers):
                for found in itertools.chain(first, itertools.chain.from_iterable(rest)):
                    came.add(hash(found.key))
                    yield found
        except _OutOfOrderError:
            yield from (found for found in self.whole() if hash(found.key) not in came)

    def _begun(self, span: KnownSpan) -> tuple[list[StoredObject], Iterator[list[StoredObject]]]:
        """The new ones of a span, and where they are very many, the pages with the others."""
        pages, first = self._new(span), list[StoredObject]()
        for page in pages:
            first.extend(page)
            if len(first) >= _HELD_OF_A_SPAN:
                break
        return first, pages

    def _new(self, span: KnownSpan) -> Iterator[list[StoredObject]]:
        """Page by page. Raises _OutOfOrderError.

        Its end is a known path. Where every span comes sorted, from its beginning up to its end
        itself, there is no other path in the bucket.
        """
        after, until, known = span.after, span.until, span.known
        place = 0  # of the next known path
        for page in self._bucket.pages(self._prefix, after=after):
            paths = page.keys
            if paths == known[place : place + len(paths)]:
                place += len(paths)
            else:
                _check_sorted(paths, after=after)
                end = bisect_right(known, paths[-1])
                within = paths if until is None else paths[: bisect_right(paths, until)]
                if until is not None and paths[-1] > until and within[-1:] != [until]:
                    raise _OutOfOrderError
                yield list(_among(page, set(within).difference(known[place:end])))
                place = end
            after = paths[-1]
            if until is not None and after >= until:
                return
        if until is not None:
            raise _OutOfOrderError


def _among(page: ListedPage, keys: set[str]) -> Iterator[StoredObject]:
    return (
        page.only(place for place, key in enumerate(page.keys) if key in keys) if keys else iter(())
    )


def _check_sorted(paths: Iterable[str], *, after: str | None) -> None:
    if any(a >= b for a, b in itertools.pairwise(itertools.chain([after or ""], paths))):
        raise _OutOfOrderError
