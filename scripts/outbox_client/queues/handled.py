"""Which events were handled, by their ids, in a file of this machine's.

A queue delivers a message twice now and then, for as long as it keeps it: after that an id is
forgotten.
"""

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from ..errors import LocalFileError
from .address import QueueAddress

KEPT_SECONDS = 31 * 24 * 3600
"""SQS keeps a message for 14 days at most, Pub/Sub for 31."""

_BUSY_SECONDS = 10
_TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS handled (id TEXT PRIMARY KEY, at REAL) WITHOUT ROWID;
"""


class HandledEvents:
    """For one thread; several processes may share the file. Raises LocalFileError."""

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._connection: sqlite3.Connection | None = None

    @classmethod
    def of(cls, home: Path, queue: QueueAddress, root: str) -> Self:
        digest = hashlib.sha256(f"{queue}\n{root}".encode()).hexdigest()[:16]
        return cls(home / "events" / f"{queue.name[:100]}-{digest}.sqlite3")

    def __enter__(self) -> Self:
        with self._told():
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                self._connection = self._opened()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:  # it is broken: what comes twice is told by the next one
                self._path.unlink()
                self._connection = self._opened()
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def has(self, event_id: str) -> bool:
        query = "SELECT 1 FROM handled WHERE id = ?"
        with self._told():
            return self._rows(query, event_id).fetchone() is not None

    def add(self, event_id: str) -> None:
        with self._told():
            self._rows("INSERT OR REPLACE INTO handled VALUES (?, ?)", event_id, self._now())

    def _rows(self, query: str, *values: object) -> sqlite3.Cursor:
        assert self._connection is not None
        return self._connection.execute(query, values)

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            connection.executescript(_TABLES)
            connection.execute("DELETE FROM handled WHERE at < ?", (self._now() - KEPT_SECONDS,))
        except BaseException:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise LocalFileError(f"{self._path}: {error}: set OUTBOX_HOME to a folder") from error
