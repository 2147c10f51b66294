"""What a fetch has brought: any number of results, in little memory."""

import marshal
import os
import tempfile
import weakref
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields
from operator import attrgetter

from .one_result import Fetched

KEPT = 1000
"""How many problems are kept at hand."""


_IN_MEMORY_BYTES = 1 << 20
_SPOOLED = tuple(one.name for one in fields(Fetched) if one.name != "error")
_spooled = attrgetter(*_SPOOLED)


class FetchedResults(Collection[Fetched]):
    """In the order in which they came; many, in a file without a name."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._count = 0

    def append(self, one: Fetched) -> None:
        marshal.dump(_spooled(one), self._file)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __contains__(self, one: object) -> bool:
        return any(one == other for other in self)

    def __iter__(self) -> Iterator[Fetched]:
        """Not while others are appended."""
        self._file.seek(0)
        try:
            for _ in range(self._count):
                yield Fetched(**dict(zip(_SPOOLED, marshal.load(self._file), strict=True)))  # noqa: S302  # ours
        finally:
            self._file.seek(0, os.SEEK_END)


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
