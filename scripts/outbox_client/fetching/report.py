"""What a fetch has brought: any number of results, in little memory."""

import sqlite3
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
_COLUMNS = ", ".join(_NAMES)
_INSERT = f"INSERT INTO results VALUES ({', '.join('?' * len(_NAMES))})"  # noqa: S608


class FetchedResults(Collection[Fetched]):
    """By key; many of them in a file that SQLite makes and removes. For one thread at a time."""

    def __init__(self) -> None:
        self._latest: list[tuple[Any, ...]] = []
        self._count = 0
        self._rows = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._rows.close)
        self._rows.execute("PRAGMA journal_mode = OFF")
        self._rows.execute(f"CREATE TABLE results ({_COLUMNS})")

    def append(self, one: Fetched) -> None:
        self._latest.append(_values(one))
        self._count += 1
        if len(self._latest) == _AT_ONCE:
            self._keep()

    def __len__(self) -> int:
        return self._count

    def __contains__(self, one: object) -> bool:
        return any(one == other for other in self)

    def __iter__(self) -> Iterator[Fetched]:
        return (Fetched(**one) for one in self.documents())

    def documents(self) -> Iterator[dict[str, Any]]:
        """Of each result its fields, without the error."""
        self._keep()
        for row in self._rows.execute(f"SELECT {_COLUMNS} FROM results ORDER BY key"):  # noqa: S608
            yield dict(zip(_NAMES, row, strict=True))

    def _keep(self) -> None:
        latest, self._latest = self._latest, []
        self._rows.execute("BEGIN")
        self._rows.executemany(_INSERT, latest)
        self._rows.execute("COMMIT")


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
