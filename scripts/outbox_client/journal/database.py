"""A journal's file: its connections, its tables, and what its errors mean."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ..errors import JournalError
from . import publication, queries
from .belonging import JobPlace

_BUSY_SECONDS = 10


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        _make_private(path)
    except OSError as error:
        raise JournalError(f"{path.parent} cannot be made your own: set OUTBOX_HOME") from error
    with translated(path), contextlib.closing(_connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        # With a write-ahead log, `status` reads while `run` writes.
        connection.execute("PRAGMA journal_mode = WAL")
        # A power cut may take the last rows: submitting again puts them right.
        connection.execute("PRAGMA synchronous = NORMAL")
        yield connection


def _make_private(path: Path) -> None:
    """Names of items may be private: whatever made the files, and by whichever umask."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.chmod(0o700)
    path.touch(mode=0o600)  # SQLite gives the files beside it the same mode
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(f"{path.name}{suffix}").chmod(0o600)


def _connect(path: Path) -> sqlite3.Connection:
    # Threads may share it, because every use of it is under the journal's own lock.
    return sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def make_tables(connection: sqlite3.Connection, path: Path, place: JobPlace) -> None:
    """Those that are there stay; of an earlier version, they are brought up to this one.

    Raises JournalError where they are another place's.
    """
    about = {"job": place.job, "root": place.root, "endpoint": place.endpoint}
    with committed(connection):
        (version,) = connection.execute(queries.GET_VERSION).fetchone()
        if version == queries.VERSION_WITHOUT_ENDPOINT:
            connection.execute(queries.ADD_ENDPOINT)
            connection.execute(queries.SET_ABOUT, about)
            version = queries.VERSION_WITHOUT_TALLIES
        if version == queries.VERSION_WITHOUT_TALLIES:
            if "found" not in _columns(connection):
                connection.execute(queries.ADD_FOUND)
            connection.execute(queries.SET_FOUND)
            _execute_all(connection, queries.UPGRADE)
        elif version == 0 and not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
            _execute_all(connection, queries.CREATE)
            connection.execute(queries.INSERT_ABOUT, about)
        elif version != queries.VERSION:
            raise JournalError(of_another_version(path))
        if JobPlace.recorded(connection) != place:
            raise JournalError(f"{path} has become another bucket's: do it again")
        publication.make_tables(connection)


def _columns(connection: sqlite3.Connection) -> list[str]:
    return [column[0] for column in connection.execute("SELECT * FROM entries LIMIT 0").description]


def _execute_all(connection: sqlite3.Connection, script: str) -> None:
    """Within the transaction that has begun; `executescript` would commit it first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def of_another_version(path: Path) -> str:
    return (
        f"{path}: was written by another version of Outbox; delete it (results in the bucket stay)"
        " and submit the job again"
    )


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
def translated(path: Path | None = None) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        named = f"{path}: " if path else ""
        raise JournalError(f"{named}the journal cannot be used: {error}") from error
