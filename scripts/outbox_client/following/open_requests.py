"""The requests of a job whose end is not known: what the journal tells of them."""

import itertools
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..journal import queries
from ..journal.entries import Entry
from ..journal.journal import Journal

PAGE_KEYS = 1000
"""How many keys S3 and GCS answer one LIST call with."""

_PAGES_PER_SPAN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """The keys after `after` up to and including `until`, in byte order; None is no bound."""

    after: str | None = None
    until: str | None = None


EVERYTHING = Span()


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """So many neighbouring keys of a job as one call lists; `until` is the last of them."""

    until: str
    is_open: bool


def spans(pages: Iterable[Page]) -> Iterator[Span]:
    """What lies on open pages, a few pages at a time: the calls of several spans can overlap.

    As the spans begin and end where pages do, they cost no more calls than one listing would.
    """
    after: str | None = None
    for is_open, run in itertools.groupby(pages, key=lambda page: page.is_open):
        for some in _parts(run):
            if is_open:
                yield Span(after=after, until=some[-1].until)
            after = some[-1].until


def _parts(pages: Iterable[Page]) -> Iterator[list[Page]]:
    pages = iter(pages)
    while some := list(itertools.islice(pages, _PAGES_PER_SPAN)):
        yield some


_MANY = 5000


class OpenRequest(NamedTuple):
    """As much of an entry as a listing needs: a sweep may see very many."""

    item: str
    key: str
    request_id: str | None
    digest: str | None
    submitted_at: float
    state: str
    existed: bool


class OpenRequests:
    """Asked anew each time, so that any number of them may be open. All raise JournalError."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def reopen_unknown(self) -> None:
        """What was given up is looked for again."""
        self._journal.write(queries.REOPEN_UNKNOWN, [{}])

    def listing_pages(self) -> Iterator[Page]:
        """The job's keys as the bucket lists them, by the page, and which pages have open ones."""
        for row in self._journal.rows(queries.SELECT_LISTING_PAGES, {"page": PAGE_KEYS}):
            yield Page(until=row["until"], is_open=bool(row["is_open"]))

    def of_keys(self, keys: Iterable[str]) -> Iterator[OpenRequest]:
        values = {"values": json.dumps(list(keys))}
        return map(OpenRequest._make, self._journal.rows(queries.SELECT_OPEN_OF_KEYS, values))

    def longest_sent(self, *, before: float, now: float, limit: int) -> list[Entry]:
        """Those the service has had longest, since `before` or earlier."""
        query = queries.SELECT_LONGEST_SENT
        return self._entries(query, before=before, now=now, limit=limit)

    def latest_first(self) -> Iterator[Entry]:
        """Those the service has, a part at a time; each comes once, whatever becomes of it."""
        before, item = math.inf, ""
        while True:
            values = {"before": before, "item": item, "limit": _MANY}
            some = self._entries(queries.SELECT_LATEST_SENT, **values)
            yield from some
            if len(some) < _MANY:
                return
            before, item = some[-1].submitted_at, some[-1].item

    def unanswered(self, *, before: float, now: float) -> list[Entry]:
        """Many of those that were being sent at `before` and still have no answer."""
        query = queries.SELECT_UNANSWERED
        return self._entries(query, before=before, now=now, limit=_MANY)

    def _entries(self, query: str, **values: object) -> list[Entry]:
        return [Entry.of(row) for row in self._journal.rows(query, values)]
