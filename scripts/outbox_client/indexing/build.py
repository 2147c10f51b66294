"""Adding a job's results to Parquet files: each once, also when several do it at a time."""

import contextlib
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from truss_outbox.contract.errors import ManifestError
from truss_outbox.contract.keys import key_of_manifest, manifest_key

from ..bucket.bucket import Bucket, StoredObject
from ..bucket.naming import Naming
from ..bucket.records import listed_manifests, read_listed
from ..threads import in_threads
from . import format as index_format
from .parts import IndexParts, Part

if TYPE_CHECKING:
    from pyarrow import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """`values` by column; `size` is the manifest's in bytes."""

    values: dict[str, Any]
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Unfit:
    """A result that cannot be a row, and why; `key` is its manifest's path."""

    key: str
    code: str
    problem: str

    @classmethod
    def of(cls, path: str, error: ManifestError) -> "Unfit":
        return cls(key=path, code=error.code, problem=str(error))


def read_row(bucket: Bucket, job: str, found: StoredObject) -> Row | Unfit | None:
    """None for a manifest of another job, or none at all. Raises what `read_listed` raises."""
    manifest = read_listed(bucket, found)
    if manifest is None or manifest.job != job:
        return None
    try:
        return Row(values=index_format.row(manifest), size=found.size)
    except ManifestError as error:
        return Unfit.of(found.key, error)


PART_BYTES = 32 << 20
_ROWS_AT_ONCE = 500
_BYTES_AT_ONCE = 4 << 20


class IndexBuffer:
    """Holds at most about one part: a few rows as Python has them, the others as Arrow does."""

    def __init__(self, *, part_rows: int) -> None:
        self._part_rows = part_rows
        self._rows: list[Mapping[str, Any]] = []
        self._rows_bytes = 0
        self._tables: list[Table] = []
        self._rejected: list[str] = []

    @property
    def full(self) -> bool:
        rows: int = sum(table.num_rows for table in self._tables)
        size: int = sum(table.nbytes for table in self._tables)
        return rows >= self._part_rows or size >= PART_BYTES

    def add(self, row: Mapping[str, Any], *, size: int) -> None:
        """`size`: about how many bytes the row takes."""
        self._rows.append(row)
        self._rows_bytes += size
        if (
            len(self._rows) >= min(_ROWS_AT_ONCE, self._part_rows)
            or self._rows_bytes >= _BYTES_AT_ONCE
        ):
            self._compact()

    def take(self) -> "Table":
        """All rows; the buffer is empty then."""
        import pyarrow as pa  # noqa: PLC0415  # 0.3 seconds that other commands need not pay

        self._compact()
        tables, self._tables = self._tables, []
        return pa.concat_tables([index_format.table([]), *tables])

    def rejected(self) -> list[str]:
        """The keys of rows that no column can hold, each told once."""
        rejected, self._rejected = self._rejected, []
        return rejected

    def _compact(self) -> None:
        rows, self._rows, self._rows_bytes = self._rows, [], 0
        try:
            self._tables.append(index_format.table(rows))
        except (ValueError, OverflowError):
            self._tables.extend(self._tables_one_by_one(rows))

    def _tables_one_by_one(self, rows: Iterable[Mapping[str, Any]]) -> "Iterator[Table]":
        for row in rows:
            try:
                yield index_format.table([row])
            except (ValueError, OverflowError):
                self._rejected.append(row["key"])


class KeySet:
    """Any number of keys, in a temporary file that SQLite removes. For the thread that made it."""

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


PART_ROWS = 10_000


@dataclass(kw_only=True, slots=True)
class IndexReport:
    """`known` results were in the index, `added` ones are now, in new `parts` (their keys).

    `problems` could not become rows; the next run tries them again.
    """

    job: str
    known: int = 0
    added: int = 0
    parts: list[str] = field(default_factory=list)
    problems: list[Unfit] = field(default_factory=list)


def index(job: str, *, bucket: Bucket, naming: Naming, part_rows: int = PART_ROWS) -> IndexReport:
    """Add the results that the job's index lacks to `index/job=<job>/part-*.parquet`.

    May be killed and run again at any time, and by several at once: a part is there whole or not
    at all, and no result is in two of them. Memory holds about one part of at most `part_rows`
    results, whatever the job's size. Raises StoreError, DamagedIndexError among them.
    """
    with contextlib.closing(KeySet()) as known:
        indexer = _Indexer(IndexParts(bucket, job=job), known, job=job, part_rows=part_rows)
        indexer.catch_up()
        listed = listed_manifests(bucket, naming.prefix(job))
        fresh = (found for found in listed if key_of_manifest(found.key) not in known)
        for one in in_threads(partial(read_row, bucket, job), fresh):
            indexer.take(one)
        indexer.flush()
    return indexer.report


class _Indexer:
    def __init__(self, parts: IndexParts, known: KeySet, *, job: str, part_rows: int) -> None:
        self.report = IndexReport(job=job)
        self._parts = parts
        self._known = known
        self._next = 0
        self._buffer = IndexBuffer(part_rows=part_rows)

    def catch_up(self) -> None:
        for part in self._parts.parts():
            self._absorb(part)

    def take(self, one: Row | Unfit | None) -> None:
        if isinstance(one, Unfit):
            self.report.problems.append(one)
        elif one is not None:
            self._buffer.add(one.values, size=one.size)
            if self._buffer.full:
                self.flush()

    def flush(self) -> None:
        """Write what is in the buffer and in no part yet, however many parts others add first."""
        rows = self._without_known(self._buffer.take())
        for key in self._buffer.rejected():
            self.report.problems.append(_unfit(key))
        while rows.num_rows:
            part_id = secrets.token_hex(4)
            data = index_format.encoded(rows, part_id=part_id)
            part = self._parts.create(self._next, data) or self._parts.find(self._next)
            if self._parts.identity(part) == part_id:
                self._note(part, rows)
                return
            # Another run has created this part: its rows are known now, and not to be added.
            self._absorb(part)
            rows = self._without_known(rows)

    def _without_known(self, rows: "Table") -> "Table":
        """Another run may have added a row since its manifest was listed."""
        import pyarrow as pa  # noqa: PLC0415  # 0.3 seconds that other commands need not pay

        unknown = [key not in self._known for key in rows["key"].to_pylist()]
        return rows.filter(pa.array(unknown, pa.bool_()))

    def _absorb(self, part: Part) -> None:
        for keys in self._parts.keys(part):
            self._known.add(keys)
            self.report.known += len(keys)
        self._next = part.number + 1

    def _note(self, part: Part, rows: "Table") -> None:
        self._known.add(rows["key"].to_pylist())
        self.report.parts.append(part.key)
        self.report.added += rows.num_rows
        self._next = part.number + 1


def _unfit(key: str) -> Unfit:
    error = ManifestError("it holds a value that Parquet cannot hold")
    return Unfit.of(manifest_key(key), error)
