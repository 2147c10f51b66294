"""A stretch of a listing: who knows it by its digest need not read it."""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ..listed import ListedPage

_HELD_PAGES = 10
"""At most: of a span that has more, the others come as it is looked through."""


class NotGivenError(Exception):
    """Of a page that obstore is to be asked for."""


class _Page(Protocol):
    @property
    def last_key(self) -> str: ...

    def entries(self, until: str | None) -> bytes | memoryview | None:
        """What is said of its keys <= `until`; None where that cannot be told from the rest."""


P = TypeVar("P", bound=_Page)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedSpan:
    """`pages`: up to the one with the span's end, and perhaps more.

    `digest`: of all that the bucket says of the span; None where that is too much to be held, or
    nothing shows where it ends.
    """

    pages: Iterator[ListedPage]
    digest: bytes | None


def held(pages: Iterator[P], until: str | None) -> tuple[list[P], bytes | None]:
    """The first of the pages, up to the one that reaches `until`; and their span's digest."""
    first, digest = list[P](), hashlib.blake2b(digest_size=16)
    for page in itertools.islice(pages, _HELD_PAGES):
        first.append(page)
        entries = page.entries(until)
        if entries is None:
            return first, None
        digest.update(entries)
        if until is not None and page.last_key >= until:
            return first, digest.digest()
    is_whole = until is None and len(first) < _HELD_PAGES
    return first, digest.digest() if is_whole else None
