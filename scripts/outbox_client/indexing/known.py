"""Which results an index has: their manifests' paths, sorted, in a file of this machine's.

Parts never change, so what was read of one need not be read again. The file says which parts it was
filled from: of an index that was made anew it forgets all. Without the file, or with a broken one,
the parts are read once more. Of each stretch of the paths it has the digest of a listing in which
all was known: one that is the same has nothing new, and neither need be read.
"""

import contextlib
import hashlib
import re
import secrets
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from truss_outbox.contract.keys import escape

from ..bucket.bucket import Bucket
from ..bucket.tombstones import NONE, Tombstones
from .format import Piece

_TABLES = """
CREATE TABLE IF NOT EXISTS manifests (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pieces (number INTEGER PRIMARY KEY, part_id TEXT);
CREATE TABLE IF NOT EXISTS spans (
    until TEXT PRIMARY KEY, count INTEGER, digest BLOB, cut TEXT
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS grown AFTER INSERT ON manifests BEGIN
    UPDATE spans SET count = count + 1
    WHERE until = (SELECT min(until) FROM spans WHERE until >= new.path);
END;
"""
_VERSION = 3
_END = "\U0010ffff"
"""No path goes so far: where the last span ends."""
_BUSY_SECONDS = 10
_AFTER_DELETION = re.compile(r"(.+-[0-9a-f]{16})-[0-9a-f]{8}")
_CACHE_KIB = 16 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownSpan:
    """`after` < paths <= `until`, by their bytes; None is no bound.

    `digest` is that of the last listing in which all was known; None: there was none. `cut` is the
    same for spans that were made at the same time.
    """

    after: str | None
    until: str | None
    digest: bytes | None
    cut: str


def known_path(home: Path | None, *, job: str, bucket: Bucket, deleted: Tombstones) -> Path | None:
    """Where the keys of a job's index are kept; None where no `home` is given.

    After a deletion it is another file: in the earlier one there are keys that the index has not.
    """
    if home is None:
        return None
    # Not to mix up buckets of one name saves time: what is in it is checked by the parts' ids.
    digest = hashlib.sha256("\n".join((job, bucket.root, bucket.address)).encode()).hexdigest()
    edition = f"-{deleted.id}" if deleted.id else ""
    return home / "index" / f"{escape(job)[:100]}-{digest[:16]}{edition}.sqlite3"


def forget_known(home: Path, *, job: str, bucket: Bucket) -> None:
    """Remove what is kept of the job's index, of before and after every deletion."""
    path = known_path(home, job=job, bucket=bucket, deleted=NONE)
    assert path is not None
    _remove(path.parent.glob(f"{path.stem}*"))


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


class KnownManifests:
    """For one thread at a time; several processes may share the file.

    All methods raise sqlite3.Error.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        except BaseException:
            self.close()
            raise

    @classmethod
    def opened(cls, path: Path) -> Self:
        """Made where it is missing. Raises OSError too."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.chmod(0o700)
        path.touch(mode=0o600)  # SQLite gives the files beside it the same mode
        path.chmod(0o600)
        known = cls(path)
        try:
            known._make_tables()
        except BaseException:
            known.close()
            raise
        return known

    def close(self) -> None:
        self._connection.close()

    def pieces(self) -> dict[int, str]:
        """The ids of the parts that it was filled from, by number."""
        return dict(self._connection.execute("SELECT number, part_id FROM pieces"))

    def forget(self) -> None:
        with self._transaction() as connection:
            for table in ("manifests", "pieces", "spans"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608

    def add(self, pieces: Iterable[Piece], keys: Iterable[Iterable[str]]) -> None:
        """The keys of all results that these parts hold: all together or, on an error, none."""
        with self._transaction() as connection:
            for some in keys:
                connection.executemany(
                    "INSERT OR IGNORE INTO manifests VALUES ('manifests/' || ? || '.json')",
                    ((key,) for key in some),
                )
            connection.executemany(
                "INSERT OR REPLACE INTO pieces VALUES (?, ?)",
                ((piece.number, piece.part_id) for piece in pieces),
            )

    def unknown(self, paths: Sequence[str]) -> set[str]:
        """Those of the paths, at most a few thousand, that the index has not."""
        marks = ",".join("?" * len(paths))
        query = f"SELECT path FROM manifests WHERE path IN ({marks})"  # noqa: S608  # marks alone
        return set(paths).difference(one for (one,) in self._connection.execute(query, paths))

    def spans(self, size: int, *, most: int) -> list[KnownSpan]:
        """All paths, cut after known ones, of which each span has `size` at first.

        They are cut anew once many of them have more than `most`, or one has twice as many.
        """
        spans = self._spans()
        outgrown = [count for _, count, *_ in spans if count > most]
        if not spans or len(outgrown) > len(spans) // 20 or max(outgrown, default=0) > 2 * most:
            self._cut(size)
            spans = self._spans()
        ends = [None if until == _END else until for until, *_ in spans]
        return [
            KnownSpan(after=after, until=until, digest=digest, cut=cut)
            for after, until, (*_, digest, cut) in zip([None, *ends], ends, spans, strict=False)
        ]

    def within(self, span: KnownSpan) -> list[str]:
        """The known paths of a span, in order."""
        after, until = span.after or "", span.until or _END
        # In one step: with each row of its own, threads at work would come between.
        query = (
            "SELECT group_concat(path, char(10)) FROM"
            " (SELECT path FROM manifests WHERE path > ? AND path <= ? ORDER BY path)"
        )
        (found,) = self._connection.execute(query, (after, until)).fetchone()
        return sorted(found.split("\n")) if found else []

    def note(self, span: KnownSpan, digest: bytes) -> None:
        """That all is known of a span whose listing has this digest.

        Nothing where spans were cut anew: another process may have forgotten all before.
        """
        query = "UPDATE spans SET digest = ? WHERE until = ? AND cut = ?"
        self._connection.execute(query, (digest, span.until or _END, span.cut))

    def _spans(self) -> list[tuple[str, int, bytes | None, str]]:
        query = "SELECT until, count, digest, cut FROM spans ORDER BY until"
        return self._connection.execute(query).fetchall()

    def _cut(self, size: int) -> None:
        ends_at = "SELECT path FROM manifests WHERE path > ? ORDER BY path LIMIT 1 OFFSET ?"
        until, cut = "", secrets.token_hex(4)
        with self._transaction() as connection:
            connection.execute("DELETE FROM spans")
            while found := connection.execute(ends_at, (until, size - 1)).fetchone():
                (until,) = found
                connection.execute("INSERT INTO spans VALUES (?, ?, NULL, ?)", (until, size, cut))
            rest = "SELECT ?, count(*), NULL, ? FROM manifests WHERE path > ?"
            connection.execute(f"INSERT INTO spans {rest}", (_END, cut, until))

    def _make_tables(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in {0, _VERSION}:
            raise sqlite3.DatabaseError("another version's")
        self._connection.executescript(_TABLES)
        self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


T = TypeVar("T")


def with_known(use: Callable[[KnownManifests], T], path: Path | None) -> T:
    """What `use` returns; it is given what is known by the file, and must not mind a second call.

    Where there is no such file, or it cannot be used, it gets a temporary one. A broken one goes.
    """
    if path is not None:
        try:
            return _used(use, path)
        except sqlite3.OperationalError:  # it is locked, its disk is full
            pass
        except sqlite3.DatabaseError:
            _remove(path.with_name(f"{path.name}{suffix}") for suffix in ("", "-wal", "-shm"))
    with tempfile.TemporaryDirectory(prefix="outbox-index-") as folder:
        return _used(use, Path(folder) / "known.sqlite3")


def _used(use: Callable[[KnownManifests], T], path: Path) -> T:
    is_new = not path.exists()
    try:
        known = KnownManifests.opened(path)
    except OSError as error:  # not of the bucket, whose errors may be such
        raise sqlite3.OperationalError from error
    with contextlib.closing(known):
        found = use(known)
    if is_new and (name := _AFTER_DELETION.fullmatch(path.stem)):
        # Of before the deletion: they name what has gone.
        earlier = path.parent.glob(f"{name[1]}*")
        _remove(one for one in earlier if not one.name.startswith(path.stem))
    return found
