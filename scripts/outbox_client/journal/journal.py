"""What was sent: one SQLite file per job and bucket, written before and after each submit."""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Self

from truss_outbox.contract.errors import InvalidInputError

from ..errors import UnknownJobError
from . import queries
from .entries import Accepted, Begun, Entry, Planned, Settlement, State, as_row
from .file import committed, connected, journal_path, make_tables, translated

_PAGE = 500
_PLANNED_AT_A_TIME = 2000


class Journal:
    """The journal of one job. Several threads and processes may share it.

    What is written together is one transaction. All methods raise JournalError.
    """

    def __init__(self, connection: sqlite3.Connection, *, job: str, root: str) -> None:
        self.job = job
        self.root = root
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    @contextlib.contextmanager
    def opened(cls, home: Path, *, job: str, root: str, create: bool = False) -> Iterator[Self]:
        """Raises UnknownJobError where there is none and `create` is false, and JournalError."""
        path = journal_path(home, job=job, root=root)
        if not create and not path.is_file():
            raise UnknownJobError(
                f"job {job!r} was not submitted to {root} from here (no journal in {home})"
            )
        with connected(path) as connection:
            make_tables(connection, path, {"job": job, "root": root})
            yield cls(connection, job=job, root=root)

    def plan(self, planned: Iterable[Planned]) -> None:
        """Note what is to be sent, before any of it is; an item noted before is to be sent again.

        All of it or nothing: whoever resumes has no other list. A part is in memory at a time.
        """
        planned, batches = iter(planned), dict[str, int]()
        with self._transaction() as connection:
            while some := list(islice(planned, _PLANNED_AT_A_TIME)):
                entries = [self._entry_row(one, batches) for one in some]
                sources = [row for one in some if (row := one.source_row())]
                connection.executemany(queries.PLAN, entries)
                connection.executemany(queries.FORGET_SOURCE, entries)
                connection.executemany(queries.PLAN_SOURCE, sources)

    def _entry_row(self, planned: Planned, batches: dict[str, int]) -> dict[str, object]:
        options = planned.batch.to_json()
        if options not in batches:
            self._connection.execute(queries.INSERT_BATCH, {"options": options})
            found = self._connection.execute(queries.SELECT_BATCH, {"options": options})
            (batches[options],) = found.fetchone()
        return planned.entry_row() | {"batch": batches[options]}

    def mark_existing(self, keys: Iterable[str]) -> None:
        """These keys hold results already; what is planned for them is to be compared."""
        self.write(queries.MARK_EXISTING, [{"key": key} for key in keys])

    def begin_submits(self, begun: Iterable[Begun]) -> None:
        """Before requests are sent: from here on they may have been."""
        self.write(queries.BEGIN_SUBMIT, map(as_row, begun))

    def end_submits(self, accepted: Iterable[Accepted]) -> None:
        """The service has taken the requests."""
        self.write(queries.END_SUBMIT, map(as_row, accepted))

    def settle_many(self, settlements: Iterable[Settlement]) -> None:
        """What has become of requests; nothing where one is no longer its item's latest."""
        self.write(queries.SETTLE, map(as_row, settlements))

    def settle(
        self,
        item: str,
        state: State,
        *,
        request_id: str | None,
        code: str | None = None,
        message: str | None = None,
    ) -> None:
        """`settle_many` with one."""
        self.settle_many(
            [Settlement(item=item, state=state, request_id=request_id, code=code, message=message)]
        )

    def entries(self, *, states: Collection[State] | None = None) -> Iterator[Entry]:
        """In the order of their names, a page at a time, each as it stands when its page is read.

        Only those in one of the states, where any are given.
        """
        if states is None:
            return map(Entry.of, self._pages(queries.SELECT_ENTRIES, {}))
        if not states:
            return iter(())
        values = {f"state{number}": state.value for number, state in enumerate(states)}
        return map(Entry.of, self._pages(queries.select_entries_of(len(states)), values))

    def entries_of_keys(self, keys: Iterable[str]) -> list[Entry]:
        """The entries under these keys, as many as fit a listing's page."""
        return self._found(queries.SELECT_ENTRIES_OF_KEYS, keys)

    def entries_of_items(self, items: Iterable[str]) -> list[Entry]:
        """The entries of these items; names the job does not have are left out."""
        return self._found(queries.SELECT_ENTRIES_OF_ITEMS, items)

    def unsent(self) -> Iterator[Planned]:
        """What is to be sent, a page at a time: planned, or begun and never answered."""
        return map(Planned.of, self._pages(queries.SELECT_UNSENT, {}))

    def unsent_count(self) -> int:
        with translated(), self._lock:
            (count,) = self._connection.execute(queries.COUNT_UNSENT).fetchone()
            return int(count)

    def counts(self) -> dict[State, int]:
        """How many items are in each state that occurs."""
        with translated(), self._lock:
            return {State(state): n for state, n in self._connection.execute(queries.COUNT_STATES)}

    def _pages(self, query: str, values: Mapping[str, object]) -> Iterator[sqlite3.Row]:
        start = ""
        while True:
            row = {**values, "start": start, "page": _PAGE}
            with translated(), self._lock:
                page = self._connection.execute(query, row).fetchall()
            yield from page
            if len(page) < _PAGE:
                return
            start = page[-1]["item"] + "\0"  # the next name there can be

    def _found(self, query: str, values: Iterable[str]) -> list[Entry]:
        return [Entry.of(row) for row in self.rows(query, {"values": json.dumps(list(values))})]

    def rows(self, query: str, values: Mapping[str, object]) -> list[sqlite3.Row]:
        """What a query of `queries` finds, all at once."""
        with translated(), self._lock:
            return self._connection.execute(query, values).fetchall()

    def write(self, query: str, rows: Iterable[Mapping[str, object]]) -> None:
        """One statement of `queries` for each of the rows, in one transaction."""
        with self._transaction() as connection:
            connection.executemany(query, rows)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with translated(), self._lock, committed(self._connection):
            yield self._connection


def entries_named(journal: Journal, items: Sequence[str]) -> list[Entry]:
    """Raises InvalidInputError for an item the job does not have."""
    entries = journal.entries_of_items(items)
    for item in set(items) - {entry.item for entry in entries}:
        raise InvalidInputError("ITEM", f"job {journal.job!r} has no item {item!r}")
    return entries
