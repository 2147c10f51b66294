"""A set of keys that takes disk, not memory."""

import sqlite3
from collections.abc import Iterable


class KeySet:
    """Lives in a temporary file of SQLite's, for the one thread that made it."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("CREATE TABLE keys (key TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, keys: Iterable[str]) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT OR IGNORE INTO keys VALUES (?)", ((k,) for k in keys))
        self._connection.execute("COMMIT")

    def __contains__(self, key: str) -> bool:
        found = self._connection.execute("SELECT 1 FROM keys WHERE key = ?", (key,))
        return found.fetchone() is not None

    def close(self) -> None:
        self._connection.close()
