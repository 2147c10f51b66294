"""The journal's file: where it is, how it is opened, and what is wrong when it cannot be."""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from truss_outbox.contract.keys import escape

from ..errors import JournalError
from . import queries

_BUSY_SECONDS = 10


def journal_path(home: Path, *, job: str, root: str) -> Path:
    """Begins with the job's name; the hash tells apart long names, cases and buckets."""
    digest = hashlib.sha256(f"{job}\n{root}".encode()).hexdigest()
    return home / "jobs" / f"{escape(job)[:100]}-{digest[:16]}.sqlite3"


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # names of items may be private
    except OSError as error:
        raise JournalError(f"{path.parent} cannot be made: set OUTBOX_HOME") from error
    with translated(), contextlib.closing(_connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        # With a write-ahead log, `status` reads while `run` writes.
        connection.execute("PRAGMA journal_mode = WAL")
        # A power cut may take the last rows: submitting again puts them right.
        connection.execute("PRAGMA synchronous = NORMAL")
        yield connection


def _connect(path: Path) -> sqlite3.Connection:
    # Threads may share it, because every use of it is under the journal's own lock.
    return sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def make_tables(connection: sqlite3.Connection, path: Path, about: Mapping[str, str]) -> None:
    with committed(connection):
        (version,) = connection.execute(queries.GET_VERSION).fetchone()
        if version == queries.VERSION:
            return
        tables = connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
        if version or tables:
            raise JournalError(
                f"{path} was written by another version of Outbox; delete it (results in the"
                " bucket stay) and submit the job again"
            )
        for statement in queries.CREATE.split(";\n"):
            connection.execute(statement)
        connection.execute(queries.INSERT_ABOUT, about)


@contextlib.contextmanager
def committed(connection: sqlite3.Connection) -> Iterator[None]:
    # IMMEDIATE takes the write lock at once: two processes cannot both read and then both write.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextlib.contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"the journal cannot be used: {error}") from error
