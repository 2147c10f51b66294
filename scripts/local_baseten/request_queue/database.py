"""The queue's SQLite file: its statements by name, its transactions, its form."""

import contextlib
import math
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from ..errors import QueueVersionError

_NAMED_QUERY = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)
_QUERIES = dict(_NAMED_QUERY.findall((Path(__file__).parent / "queries.sql").read_text()))

_VERSION = 3
_WAL_BYTES = 16 << 20
_CHECKPOINT_PAGES = 1_000


class Database:
    """One connection, the file's only writer. Any thread may use it, one at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._is_durable = True
        self.due_at = -math.inf
        """When something in the file next comes due by itself; in the past, it is to be looked."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or make the file; what ran when it was last open waits again.

        Raises QueueVersionError.
        """
        # Only the commit of a group runs in another thread, while this one does nothing here.
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # heeded while the file is empty
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: NORMAL would lose the latest commits when the machine, not just we, goes down.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        # What a savepoint or a statement would undo: in a file, it is most of all that is written.
        connection.execute("PRAGMA temp_store = MEMORY")
        database = cls(connection)
        try:
            database._make_tables(path)
            database._recover()
        except BaseException:
            connection.close()
            raise
        return database

    def close(self) -> None:
        self._connection.close()

    def run(self, query: str, **values: Any) -> sqlite3.Cursor:
        """Outside of `transaction` and `begin`, on disk when it returns."""
        return self._connection.execute(_QUERIES[query], values)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; also inside another one, which is why it is a savepoint."""
        self._connection.execute("SAVEPOINT one")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO one")
            self.due_at = -math.inf
            raise
        finally:
            self._connection.execute("RELEASE one")

    def begin(self, *, is_durable: bool = True) -> None:
        """What is not durable is on disk with the next that is: a kill loses none of it.

        Nor does it wait for the file to be put in order.
        """
        if is_durable != self._is_durable:
            synchronous, pages = ("FULL", _CHECKPOINT_PAGES) if is_durable else ("NORMAL", 0)
            self._connection.execute(f"PRAGMA synchronous = {synchronous}")
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {pages}").fetchall()
            self._is_durable = is_durable
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def roll_back(self) -> None:
        self.due_at = -math.inf
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def expect(self, due_at: float) -> None:
        """Something comes due then."""
        self.due_at = min(self.due_at, due_at)

    @property
    def changes(self) -> int:
        """Rows changed since it was opened: whether a transaction has anything to put on disk."""
        return self._connection.total_changes

    def _make_tables(self, path: Path) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        (is_made,) = self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if is_made:
            if version != _VERSION:
                raise QueueVersionError(path)
            return
        with self.transaction():
            for query in _QUERIES:
                if query.startswith("create_"):
                    self.run(query)
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _recover(self) -> None:
        with self.transaction():
            self.run("recover_requests")
            self.run("recover_deliveries")
