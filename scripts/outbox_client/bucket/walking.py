"""Walking along a listing from one wanted place to the next, instead of through all of it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from .bucket import Bucket
from .listed import ListedPage

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

    def __init__(self, bucket: Bucket, *, page_keys: int = PAGE_KEYS) -> None:
        self.bucket = bucket
        self._page_keys = page_keys
        self._orders: tuple[Order, ...] = (by_bytes, by_folder) if bucket.lists_in_order else ()

    @property
    def can_jump(self) -> bool:
        """Whether it costs less to walk than to list everything."""
        return bool(self._orders)

    def pages(self, prefix: str, spans: Iterable[Span]) -> Iterator[ListedPage]:
        """All that lies in the spans, which are below `prefix`, and more; some perhaps twice.

        A call for each page that has a place that is still wanted. Raises StoreError.
        """
        left, orders = deque(spans), None
        begin = last = ""
        while left and self.can_jump:
            if orders != self._orders:  # another thread may have found out
                orders = self._orders
                left = _sorted(left, orders)
            if not self._is_within(left[0].after, begin, last):
                begin = left[0].after
                after = begin
            else:
                after = last
            page = self._page(prefix, after)
            if page is not None:
                yield page
            keys = page.keys if page else ()
            is_last = len(keys) < self._page_keys
            self._note_order(after, keys, known=last, is_last=is_last)
            last = keys[-1] if keys else ""
            self._pass(left, begin, None if is_last else last)
        if left:
            yield from self.bucket.pages(prefix, after=None)

    def _page(self, prefix: str, after: str) -> ListedPage | None:
        return next(self.bucket.pages(prefix, after=after), None)

    def _is_within(self, key: str, begin: str, last: str) -> bool:
        return all(order(begin) <= order(key) < order(last) for order in self._orders)

    def _pass(self, left: deque[Span], begin: str, last: str | None) -> None:
        """Take away what was listed: from `begin` to `last`, or to the end."""
        bounds = [(order, order(begin), last and order(last)) for order in self._orders]
        while (
            left
            and bounds
            and all(
                first <= order(left[0].after) and (end is None or order(left[0].until) <= end)
                for order, first, end in bounds
            )
        ):
            left.popleft()

    def _note_order(self, after: str, keys: Sequence[str], *, known: str, is_last: bool) -> None:
        """Of a page that began after a place; `known` is the key of an object that is there."""

        def is_possible(order: Order) -> bool:
            places = [order(after), *map(order, keys)]
            is_due = places[0] < order(known) and (is_last or order(known) <= places[-1])
            return _is_sorted(places) and (known in keys or not is_due)

        self._orders = tuple(filter(is_possible, self._orders))


def _sorted(spans: Iterable[Span], orders: Sequence[Order]) -> deque[Span]:
    return deque(sorted(spans, key=lambda span: [order(span.after) for order in orders]))


def _is_sorted(places: Sequence[str]) -> bool:
    return all(one < other for one, other in pairwise(places))
