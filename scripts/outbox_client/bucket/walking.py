"""Walking along a listing from one wanted place to the next, instead of through all of it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

from .bucket import Bucket, StoredObject

PAGE_KEYS = 1000
"""How many keys S3 and GCS answer one LIST call with."""


Order = Callable[[str], str]
"""What keys are sorted by."""


class Span(NamedTuple):
    """The keys after `after`, up to and including `until`; it lies within one folder."""

    after: str
    until: str


def by_bytes(key: str) -> str:
    return key


def by_folder(key: str) -> str:
    return key.replace("/", "\0")


class Walker:
    """Lists wanted places of a bucket. Safe to use from several threads.

    S3 and GCS list by bytes. Some servers list one folder after the other, `a/x` before `a-b/x`,
    and begin in that order too. Which of the two it is shows in what they list: until then a place
    counts as passed only where it is in both orders.
    """

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._orders: tuple[Order, ...] = (by_bytes, by_folder) if bucket.lists_in_order else ()

    @property
    def can_jump(self) -> bool:
        """Whether it costs less to walk than to list everything."""
        return bool(self._orders)

    def objects(self, prefix: str, spans: Iterable[Span]) -> Iterator[StoredObject]:
        """All that lies in the spans, which are below `prefix`, and more; some perhaps twice.

        A call for each page that has a place that is still wanted. Raises StoreError.
        """
        left = deque(sorted(spans, key=lambda span: [order(span.after) for order in self._orders]))
        begin = last = ""
        while left and self.can_jump:
            if not self._is_within(left[0].after, begin, last):
                begin = left[0].after
                after = begin
            else:
                after = last
            page = self._page(prefix, after)
            yield from page
            self._note_order(after, [found.key for found in page], known=last)
            last = page[-1].key if page else ""
            self._pass(left, begin, None if len(page) < PAGE_KEYS else last)
        if left:
            yield from self.bucket.objects(prefix)

    def _page(self, prefix: str, after: str) -> list[StoredObject]:
        listed = self.bucket.objects_between(prefix, after=after, until=None)
        return list(islice(listed, PAGE_KEYS))

    def _is_within(self, key: str, begin: str, last: str) -> bool:
        return all(order(begin) <= order(key) < order(last) for order in self._orders)

    def _pass(self, left: deque[Span], begin: str, last: str | None) -> None:
        """Take away what was listed: from `begin` to `last`, or to the end."""
        bounds = [(order, order(begin), last and order(last)) for order in self._orders]
        while left and all(
            first <= order(left[0].after) and (end is None or order(left[0].until) <= end)
            for order, first, end in bounds
        ):
            left.popleft()

    def _note_order(self, after: str, keys: Sequence[str], *, known: str) -> None:
        """`known` is the key of an object that is there, or empty."""
        self._orders = tuple(
            order for order in self._orders if _is_listed_by(order, after, keys, known)
        )


def _is_listed_by(order: Order, after: str, keys: Sequence[str], known: str) -> bool:
    """Whether this page may be one of a store that lists in this order."""
    places = [order(after), *map(order, keys)]
    if any(one >= other for one, other in pairwise(places)):
        return False
    last = places[-1] if len(keys) == PAGE_KEYS else None
    is_due = places[0] < order(known) and (last is None or order(known) <= last)
    return not (known and is_due) or known in keys
