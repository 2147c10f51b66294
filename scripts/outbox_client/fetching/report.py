"""What a fetch has brought: any number of results, in little memory."""

import marshal
import os
import tempfile
import weakref
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

from .one_result import Fetched

KEPT = 1000
"""How many problems are kept at hand."""


_AT_ONCE = 2000
_NAMES = tuple(one.name for one in fields(Fetched) if one.name != "error")
_values = attrgetter(*_NAMES)


class FetchedResults(Collection[Fetched]):
    """In the order in which they came; many, in a file without a name."""

    def __init__(self) -> None:
        self._latest: list[tuple[Any, ...]] = []
        self._file = tempfile.SpooledTemporaryFile()  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._places: list[tuple[int, int]] = []

    def append(self, one: Fetched) -> None:
        self._latest.append(_values(one))
        if len(self._latest) == _AT_ONCE:
            data = marshal.dumps(self._latest)
            if not self._places:
                self._file.rollover()
            self._places.append((self._file.tell(), len(data)))
            self._file.write(data)
            self._latest = []

    def __len__(self) -> int:
        return len(self._places) * _AT_ONCE + len(self._latest)

    def __contains__(self, one: object) -> bool:
        return any(one == other for other in self)

    def __iter__(self) -> Iterator[Fetched]:
        return (Fetched(**one) for one in self.documents())

    def documents(self) -> Iterator[dict[str, Any]]:
        """Of each result its fields, without the error. Not while others are appended."""
        for place, length in self._places:
            self._file.seek(place)
            rows = marshal.loads(self._file.read(length))  # noqa: S302  # as it was dumped here
            self._file.seek(0, os.SEEK_END)
            yield from (dict(zip(_NAMES, row, strict=True)) for row in rows)
        yield from (dict(zip(_NAMES, row, strict=True)) for row in self._latest)


@dataclass(kw_only=True, slots=True)
class FetchReport:
    """`files` came anew; `failed` results are not here, and `problems` are the first of those."""

    job: str
    results: FetchedResults = field(default_factory=FetchedResults)
    files: int = 0
    failed: int = 0
    problems: list[Fetched] = field(default_factory=list)

    @property
    def whole(self) -> int:
        """How many results are here."""
        return len(self.results) - self.failed

    def add(self, one: Fetched) -> None:
        self.results.append(one)
        self.files += one.downloaded
        if one.problem is not None:
            self.failed += 1
            if len(self.problems) < KEPT:
                self.problems.append(one)

    def add_all(self, other: "FetchReport") -> None:
        for one in other.results:
            self.add(one)
