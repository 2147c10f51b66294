"""Which stretches of a job's listing can still hold news."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
