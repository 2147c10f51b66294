"""Which pages a request means by `1-5,8`."""

import re
from dataclasses import dataclass
from typing import Self

# Nine digits are more than any document has pages, and quick to read.
_RANGE = re.compile(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})\s*)?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class PageRanges:
    """First and last page of each range, counted from 1, both included; none means every page."""

    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, whose message does not quote the text."""
        return cls(tuple(_parse_range(part) for part in text.split(",")))

    @classmethod
    def all_pages(cls) -> Self:
        return cls(())

    @property
    def last(self) -> int:
        """The highest page that is asked for; 0 where every page is."""
        return max((last for _, last in self.ranges), default=0)

    @property
    def total(self) -> int:
        """How many pages are asked for, each once; 0 where every page is."""
        total, read = 0, 0
        for first, last in sorted(self.ranges):
            total += max(last - max(first - 1, read), 0)
            read = max(read, last)
        return total

    def numbers(self, count: int) -> list[int]:
        """The pages of a document that has `count`: ascending, each once."""
        if not self.ranges:
            return list(range(1, count + 1))
        # Cut to the document first: `1-999999999` must not become a list of that length.
        inside = ((first, min(last, count)) for first, last in self.ranges)
        return sorted({number for first, last in inside for number in range(first, last + 1)})


def _parse_range(text: str) -> tuple[int, int]:
    match = _RANGE.match(text)
    if match is None:
        raise ValueError("write page numbers and ranges such as 1-5,8")
    first = int(match[1])
    last = int(match[2] or first)
    if first < 1:
        raise ValueError("pages are counted from 1")
    if last < first:
        raise ValueError("a range goes from its lower page to its higher, such as 1-5")
    return first, last
