"""What was sent: one SQLite file per job and bucket, written before and after each submit."""

import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from model.artifacts.keys import escape
from scripts.client import queries
from scripts.client.errors import JournalError, UnknownJobError
from scripts.client.states import State

_BUSY_SECONDS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One item as it stands. `existed`: its key may hold an earlier result, so compare."""

    item: str
    key: str | None
    digest: str | None
    path: str
    size: int
    request_id: str | None
    submitted_at: float
    state: State
    existed: bool
    code: str | None
    message: str | None


class Journal:
    """The journal of one job. Several threads and processes may share it."""

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
            connection.execute(queries.CREATE_ABOUT)
            connection.execute(queries.CREATE_ENTRIES)
            connection.execute(queries.INSERT_ABOUT, {"job": job, "root": root})
            yield cls(connection, job=job, root=root)

    def begin_submit(
        self,
        item: str,
        *,
        key: str | None,
        digest: str | None,
        path: Path,
        size: int,
        submitted_at: float,
        existed: bool,
    ) -> None:
        """Before the request is sent: from here on it may have been."""
        row = {
            "item": item,
            "key": key,
            "digest": digest,
            "path": str(path),
            "size": size,
            "submitted_at": submitted_at,
            "existed": existed,
        }
        self._execute(queries.BEGIN_SUBMIT, row)

    def end_submit(self, item: str, *, key: str, request_id: str) -> None:
        """The service has taken the request."""
        self._execute(queries.END_SUBMIT, {"item": item, "key": key, "request_id": request_id})

    def settle(
        self,
        item: str,
        state: State,
        *,
        request_id: str | None,
        code: str | None = None,
        message: str | None = None,
    ) -> None:
        """What has become of the item's request; nothing where that is no longer the latest."""
        row = {"item": item, "state": state.value, "code": code, "message": message}
        row["request_id"] = request_id
        self._execute(queries.SETTLE, row)

    def entries(self) -> list[Entry]:
        with _translated(), self._lock:
            return [_entry(row) for row in self._connection.execute(queries.SELECT_ENTRIES)]

    def _execute(self, query: str, row: Mapping[str, object]) -> None:
        with _translated(), self._lock:
            self._connection.execute(query, row)


def journal_path(home: Path, *, job: str, root: str) -> Path:
    """Begins with the job's name; the hash tells apart long names, cases and buckets."""
    digest = hashlib.sha256(f"{job}\n{root}".encode()).hexdigest()
    return home / "jobs" / f"{escape(job)[:100]}-{digest[:16]}.sqlite3"


def _entry(row: sqlite3.Row) -> Entry:
    values = dict(row)
    values |= {"state": State(row["state"]), "existed": bool(row["existed"])}
    return Entry(**values)


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise JournalError(f"{path.parent} cannot be made: set OUTBOX_HOME") from error
    with _translated(), contextlib.closing(_connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        # A power cut may take the last rows: submitting again puts them right.
        connection.execute("PRAGMA synchronous = NORMAL")
        yield connection


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"the journal cannot be used: {error}") from error
