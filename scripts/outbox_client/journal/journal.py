"""What was sent: one SQLite file per job and bucket, written before and after each submit."""

import contextlib
import json
import math
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.root import Root

from ..errors import JournalError
from ..sources.items import Batch
from . import publication, queries
from .belonging import JobPlace, find_journal, journal_path, unknown_job
from .database import committed, connected, make_tables, of_another_version, translated
from .entries import (
    Accepted,
    Begun,
    DamagedJournal,
    Entry,
    FailureCount,
    FoundResult,
    JobSummary,
    OpenRequest,
    Planned,
    Settlement,
    StoredResult,
    as_row,
)
from .states import State

_PAGE = 500
_KEYS_AT_A_TIME = 1000
_UNSENT_AT_A_TIME = 32  # an input may be large
_SENT_AT_A_TIME = 5000


class Journal:
    """The journal of one job. Several threads and processes may share it.

    What one call writes is one transaction. All methods raise JournalError. What returns an
    iterator reads a page at a time, so that any number of entries fits into memory. Who reads does
    not wait for who writes: each has a connection, and a lock, of its own.
    """

    def __init__(
        self, connection: sqlite3.Connection, place: JobPlace, *, reading: sqlite3.Connection
    ) -> None:
        self.job = place.job
        self._connection = connection
        self._lock = threading.Lock()
        self._reading = reading
        self._reading_lock = threading.Lock()
        self.publication = publication.Publication(
            place.job, transaction=self._transaction, rows=self._rows
        )

    @classmethod
    @contextlib.contextmanager
    def opened(
        cls, home: Path, *, job: str, root: str, endpoint: str = "", create: bool = False
    ) -> Iterator[Self]:
        """`endpoint` is by `endpoint_identity`: a bucket of this name elsewhere is another bucket.

        A journal of before endpoints were recorded becomes this bucket's. Raises UnknownJobError
        where there is none and `create` is false, and JournalError.
        """
        place = JobPlace(job=job, root=str(Root.parse(root)), endpoint=endpoint)
        path = find_journal(home, place)
        if path is None and not create:
            raise unknown_job(home, place)
        path = path or journal_path(home, place)
        with connected(path) as connection:
            make_tables(connection, path, place)
            with connected(path) as reading:
                yield cls(connection, place, reading=reading)

    def plan(self, batch: Batch, rows: Iterable[dict[str, object]]) -> None:
        """Record what is to be sent, before any of it is; an item recorded before is sent again.

        `rows` are as `planned_row` makes them. All or nothing: `resume` has no other list of what
        is missing.
        """
        with self._transaction() as connection:
            number = {"batch": _batch_number(connection, batch)}
            for row in rows:
                _plan_row(connection, row | number)

    def plan_again(self, items: Iterable[str]) -> None:
        """These items are to be sent again; those that succeeded or are under way are left."""
        self._write(queries.PLAN_AGAIN, ({"item": item} for item in items))

    def plan_retryable_again(self) -> None:
        """Every item is to be sent again that ended without a result and may succeed now."""
        self._write(queries.PLAN_RETRYABLE_AGAIN, [{}])

    def cancel_planned(self, items: Iterable[str], *, now: float) -> None:
        """These items, as far as they are planned, are not sent."""
        self._write(queries.CANCEL_PLANNED, ({"item": item, "now": now} for item in items))

    def mark_existing(self, keys: Iterable[str]) -> None:
        """These keys hold results already: compare fingerprints of what is planned for them."""
        self._write(queries.MARK_EXISTING, ({"key": key} for key in keys))

    def begin_submits(self, begun: Iterable[Begun]) -> int:
        """Call it before requests are sent: from here on they may have been.

        Returns how many are to be sent: one whose result was found meanwhile needs no repetition.
        """
        return self._write(queries.BEGIN_SUBMIT, map(as_row, begun))

    def end_submits(self, accepted: Iterable[Accepted]) -> None:
        """The service has taken the requests."""
        self._write(queries.END_SUBMIT, map(as_row, accepted))

    def settle(self, *settlements: Settlement) -> int:
        """How requests ended; returns how many that settled. One that is no longer its item's
        latest changes nothing, nor one whose result is there."""
        return self._write(queries.SETTLE, map(as_row, settlements))

    def succeed(self, results: Iterable[StoredResult]) -> list[StoredResult]:
        """The results of these requests are in the bucket.

        Returns those that this settled. A request whose id became known meanwhile, or that was sent
        again, is left open, and its result found once more.
        """
        with self._transaction() as connection:
            (found,) = connection.execute(queries.GET_LATEST_FINDING).fetchone()
            settled = list[StoredResult]()
            for one in results:
                if _succeed(connection, one, found=found + len(settled) + 1):
                    settled.append(one)
            latest = {"latest": found + len(settled)}
            connection.execute(queries.SET_LATEST_FINDING, latest)
            return settled

    def forget(self, items: Iterable[str]) -> None:
        """Nothing of these items is known any more."""
        some = [{"item": item} for item in items]
        with self._transaction() as connection:
            for query in queries.FORGET:
                connection.executemany(query, some)

    def reopen_unknown(self) -> None:
        """Items whose end could not be found out are open again."""
        self._write(queries.REOPEN_UNKNOWN, [{}])

    def entries(self, *, states: Collection[State] | None = None) -> Iterator[Entry]:
        """By name, each as it is when its page is read; only those in `states`, if given."""
        if states is None:
            return map(Entry.of, self._pages(queries.SELECT_ENTRIES, {}))
        if not states:
            return iter(())
        values = {f"state{number}": state.value for number, state in enumerate(states)}
        walks = (queries.SELECT_ENTRIES_OF_STATE.format(number=n) for n in range(len(states)))
        query = f"{' UNION ALL '.join(walks)} ORDER BY item LIMIT :page"
        return map(Entry.of, self._pages(query, values))

    def entries_of_keys(self, keys: Iterable[str]) -> list[Entry]:
        """The entries under these keys, as many as fit a listing's page."""
        return self._entries(queries.SELECT_ENTRIES_OF_KEYS, values=json.dumps(list(keys)))

    def has_key(self, key: str) -> bool:
        return bool(self._rows(queries.HAS_KEY, key=key))

    def digest_of(self, key: str) -> str | None:
        """Of the input that was submitted under this key."""
        return next((digest for (digest,) in self._rows(queries.GET_DIGEST, key=key)), None)

    def found_after(self, last: FoundResult, limit: int) -> list[FoundResult]:
        """The results that were found after that one, in the order in which they were found.

        One whose item is sent again is found once more.
        """
        last_values = {"found": last.number, "item": last.item}
        return [
            FoundResult._make(row)
            for row in self._rows(queries.SELECT_FOUND, **last_values, page=limit)
        ]

    def entries_of_items(self, items: Iterable[str]) -> list[Entry]:
        """The entries of these items; names the job does not have are left out."""
        return self._entries(queries.SELECT_ENTRIES_OF_ITEMS, values=json.dumps(list(items)))

    def entries_named(self, items: Sequence[str]) -> list[Entry]:
        """`entries_of_items`, which raises InvalidInputError for a name the job does not have."""
        entries = self.entries_of_items(items)
        for item in set(items) - {entry.item for entry in entries}:
            raise InvalidInputError("ITEM", f"job {self.job!r} has no item {item!r}")
        return entries

    def unsent(self) -> Iterator[Planned]:
        """What is to be sent: planned, or begun and never answered."""
        start = ""
        while keys := self.unsent_keys(start, _UNSENT_AT_A_TIME):
            for item in keys:
                yield from map(Planned.of, self._rows(queries.SELECT_PLANNED, item=item))
            start = _next_name(max(keys))

    def unsent_keys(self, start: str, limit: int) -> dict[str, str | None]:
        """The keys of items that are to be sent, from the one named `start` on."""
        return dict(map(tuple, self._rows(queries.SELECT_UNSENT, start=start, page=limit)))

    def unsent_count(self) -> int:
        return int(self._rows(queries.COUNT_UNSENT)[0][0])

    def counts(self) -> dict[State, int]:
        """How many items are in each state that occurs."""
        return {State(state): count for state, count in self._rows(queries.COUNT_STATES)}

    def failure_counts(self) -> list[FailureCount]:
        """What failed, by code; the most frequent first. What was canceled has not."""
        return [FailureCount(*row) for row in self._rows(queries.COUNT_CODES)]

    def results_since(self, moment: float) -> tuple[int, float]:
        """How many results were committed after it, and when the job's first request was sent."""
        ((count, first),) = self._rows(queries.COUNT_LATE_RESULTS, since=moment)
        return count, first or 0.0

    def open_keys(self) -> Iterator[list[str]]:
        """The keys of open requests, a thousand at a time, in the order of their manifests."""
        after = ""
        while rows := self._rows(queries.SELECT_OPEN_KEYS, after=after, page=_KEYS_AT_A_TIME):
            yield [key for (key,) in rows]
            if len(rows) < _KEYS_AT_A_TIME:
                return
            after = f"{rows[-1]['key']}.json"

    def open_requests(self, keys: Iterable[str]) -> Iterator[OpenRequest]:
        """The open requests under these keys, as many as fit a listing's page."""
        rows = self._rows(queries.SELECT_OPEN_OF_KEYS, values=json.dumps(list(keys)))
        return map(OpenRequest._make, rows)

    def longest_sent(self, *, before: float, now: float, limit: int) -> list[Entry]:
        """The open entries that were sent at `before` or earlier, the oldest first."""
        return self._entries(queries.SELECT_LONGEST_SENT, before=before, now=now, limit=limit)

    def latest_sent(self) -> Iterator[Entry]:
        """What was sent and has not ended, the latest first; each comes once, though it ends
        meanwhile."""
        # By the last one seen, not by OFFSET: entries leave this list while it is read.
        before, item = math.inf, ""
        while True:
            values = {"before": before, "item": item, "limit": _SENT_AT_A_TIME}
            some = self._entries(queries.SELECT_LATEST_SENT, **values)
            yield from some
            if len(some) < _SENT_AT_A_TIME:
                return
            before, item = some[-1].submitted_at, some[-1].item

    def unanswered(self, *, before: float, now: float) -> list[Entry]:
        """Many of those whose submit began at `before` or earlier and was never answered."""
        values = {"before": before, "now": now, "limit": _SENT_AT_A_TIME}
        return self._entries(queries.SELECT_UNANSWERED, **values)

    def _pages(self, query: str, values: Mapping[str, object]) -> Iterator[sqlite3.Row]:
        start = ""
        while True:
            rows = self._rows(query, **values, start=start, page=_PAGE)
            yield from rows
            if len(rows) < _PAGE:
                return
            start = _next_name(rows[-1]["item"])

    def _entries(self, query: str, **values: object) -> list[Entry]:
        return [Entry.of(row) for row in self._rows(query, **values)]

    def _rows(self, query: str, **values: object) -> list[sqlite3.Row]:
        with translated(), self._reading_lock:
            return self._reading.execute(query, values).fetchall()

    def _write(self, query: str, rows: Iterable[Mapping[str, object]]) -> int:
        """How many entries were changed."""
        with self._transaction() as connection:
            return connection.executemany(query, rows).rowcount

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with translated(), self._lock, committed(self._connection):
            yield self._connection


def _next_name(item: str) -> str:
    """The first that there can be behind it."""
    return item + "\0"


def _batch_number(connection: sqlite3.Connection, batch: Batch) -> int:
    options = {"options": batch.to_json()}
    connection.execute(queries.INSERT_BATCH, options)
    return int(connection.execute(queries.SELECT_BATCH, options).fetchone()[0])


def _plan_row(connection: sqlite3.Connection, row: Mapping[str, object]) -> None:
    connection.execute(queries.PLAN, row)
    connection.execute(queries.PLAN_SOURCE, row)


def _succeed(connection: sqlite3.Connection, result: StoredResult, *, found: int) -> bool:
    request, committed_at = result
    row = {"item": request.item, "request_id": request.request_id, "ended_at": committed_at}
    row["found"] = found
    return connection.execute(queries.SUCCEED, row).rowcount == 1


def list_jobs(home: Path) -> tuple[list[JobSummary], list[DamagedJournal]]:
    """Every job submitted from this machine, the latest first; and the journals of none."""
    jobs, damaged = list[JobSummary](), list[DamagedJournal]()
    for path in sorted((home / "jobs").glob("*.sqlite3")):
        try:
            jobs.append(_summary(path))
        except (JournalError, OSError, TypeError, ValueError) as error:
            # No table as ours, or no value in it: that of another version, or another program's.
            said = str(error) if isinstance(error, JournalError) else "is no journal of Outbox's"
            damaged.append(DamagedJournal(path=str(path), problem=said.removeprefix(f"{path}: ")))
    jobs.sort(key=lambda job: job.last_submit or 0, reverse=True)
    return jobs, damaged


def _summary(path: Path) -> JobSummary:
    with connected(path) as connection:
        (version,) = connection.execute(queries.GET_VERSION).fetchone()
        if version not in queries.READABLE_VERSIONS:
            raise JournalError(of_another_version(path))
        place = JobPlace.recorded(connection)
        is_new = version == queries.VERSION
        counts = connection.execute(
            queries.COUNT_STATES if is_new else queries.COUNT_STATES_WITHOUT_TALLIES
        )
        (last,) = connection.execute(queries.LAST_SUBMIT).fetchone()
        return JobSummary(
            job=place.job,
            root=place.root,
            endpoint=place.endpoint or "",
            counts={State(state): count for state, count in counts},
            last_submit=last,
        )
