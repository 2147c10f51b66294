"""Adding a job's results to Parquet files: each once, also when several do it at a time."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from truss_outbox.contract.errors import ManifestError
from truss_outbox.contract.keys import manifest_key
from truss_outbox.contract.manifest import Manifest

from ..bucket.bucket import Bucket
from ..bucket.listed import StoredObject
from ..bucket.naming import Naming
from ..bucket.records import reading_listed
from ..threads import Task
from . import format as index_format
from .compaction import compact
from .format import Piece
from .known import KnownManifests, known_path, with_known
from .listing import new_manifests
from .parts import Contents, IndexParts, Part
from .reading import catch_up

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


def read_row(bucket: Bucket, job: str, found: StoredObject) -> Task[Row | Unfit | None]:
    """None for a manifest of another job, or none at all. Raises what `reading_listed` raises."""
    manifest = yield from reading_listed(bucket, found)
    if manifest is None or manifest.job != job:
        return None
    return row_of(manifest, size=found.size)


def row_of(manifest: Manifest, *, size: int) -> Row | Unfit:
    try:
        return Row(values=index_format.row(manifest), size=size)
    except ManifestError as error:
        return Unfit.of(manifest_key(manifest.key), error)


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
        self._tables_rows = self._tables_bytes = 0
        self._rejected: list[str] = []

    @property
    def full(self) -> bool:
        return self._tables_rows >= self._part_rows or self._tables_bytes >= PART_BYTES

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
        self._tables_rows = self._tables_bytes = 0
        return pa.concat_tables([index_format.table([]), *tables])

    def rejected(self) -> list[str]:
        """The keys of rows that no column can hold, each told once."""
        rejected, self._rejected = self._rejected, []
        return rejected

    def _compact(self) -> None:
        rows, self._rows, self._rows_bytes = self._rows, [], 0
        try:
            self._hold(index_format.table(rows))
        except (ValueError, OverflowError):
            for table in self._tables_one_by_one(rows):
                self._hold(table)

    def _hold(self, table: "Table") -> None:
        self._tables.append(table)
        self._tables_rows += table.num_rows
        self._tables_bytes += table.nbytes

    def _tables_one_by_one(self, rows: Iterable[Mapping[str, Any]]) -> "Iterator[Table]":
        for row in rows:
            try:
                yield index_format.table([row])
            except (ValueError, OverflowError):
                self._rejected.append(row["key"])


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


def index(
    job: str,
    *,
    bucket: Bucket,
    naming: Naming,
    home: Path | None = None,
    part_rows: int = PART_ROWS,
) -> IndexReport:
    """Add the results that the job's index lacks to `index/job=<job>/part-*.parquet`.

    May be killed and run again at any time, and by several at once: a part is there whole or not
    at all, and no result is in two of them but while parts are merged into one. Memory holds about
    one part of at most `part_rows` results, whatever the job's size. What was read of the index is
    kept below `home`, if one is given, and need not be read again. Raises StoreError,
    DamagedIndexError among them.
    """

    def found(known: KnownManifests) -> Iterator[Row | Unfit | None]:
        listed = new_manifests(bucket, naming.prefix(job), known)
        return bucket.in_steps(map(partial(read_row, bucket, job), listed))

    return index_found(job, found, bucket=bucket, home=home, part_rows=part_rows)


def index_found(
    job: str,
    found: Callable[[KnownManifests], Iterable[Row | Unfit | None]],
    *,
    bucket: Bucket,
    home: Path | None = None,
    part_rows: int = PART_ROWS,
) -> IndexReport:
    """As `index`, with the rows that `found` gives, also twice, of manifests that are not known.

    Those that the index has by now are left out.
    """
    parts = IndexParts.of(bucket, job)

    def build(known: KnownManifests) -> IndexReport:
        indexer = _Indexer(parts, known, job=job, part_rows=part_rows)
        indexer.catch_up()
        for one in found(known):
            indexer.take(one)
        indexer.finish()
        return indexer.report

    path = known_path(home, job=job, bucket=bucket, deleted=parts.deleted())
    return with_known(build, path)


class _Indexer:
    def __init__(
        self, parts: IndexParts, known: KnownManifests, *, job: str, part_rows: int
    ) -> None:
        self.report = IndexReport(job=job)
        self._job = job
        self._parts = parts
        self._known = known
        self._contents = Contents(parts=[], covered=[])
        self._buffer = IndexBuffer(part_rows=part_rows)

    def catch_up(self) -> None:
        self._contents, rows = catch_up(self._parts, self._known)
        self.report.known = rows - self.report.added

    def take(self, one: Row | Unfit | None) -> None:
        if isinstance(one, Unfit):
            self.report.problems.append(one)
        elif one is not None:
            self._buffer.add(one.values, size=one.size)
            if self._buffer.full:
                self._flush()

    def finish(self) -> None:
        self._flush()
        compact(self._parts, self._contents, job=self._job)

    def _flush(self) -> None:
        """Write what is in the buffer and in no part yet, however many parts others add first."""
        rows = self._without_known(self._buffer.take())
        for key in self._buffer.rejected():
            self.report.problems.append(_unfit(key))
        while rows.num_rows:
            number, part_id = self._contents.next, secrets.token_hex(4)
            self._parts.create(number, index_format.encoded(rows, job=self._job, part_id=part_id))
            self._contents = self._parts.read()
            part = next(iter(self._contents.since(number)), None)
            # Not where it has been taken, or where it was free only since it had been merged: then
            # what lies there counts, and its rows are known now. None where the index has gone.
            if (
                part is not None
                and part.first == part.last
                and self._parts.pieces(part)[0].part_id == part_id
            ):
                self._note(part, rows, part_id)
                return
            self.catch_up()
            rows = self._without_known(rows)

    def _without_known(self, rows: "Table") -> "Table":
        """Another run may have added a row since its manifest was listed, or have deleted it."""
        import pyarrow as pa  # noqa: PLC0415  # 0.3 seconds that other commands need not pay

        kept, deleted = list[bool](), self._parts.deleted()
        for batch in rows.select(["key", "attempt"]).to_batches(max_chunksize=_ROWS_AT_ONCE):
            keys, attempts = (batch.column(name).to_pylist() for name in ("key", "attempt"))
            unknown = self._known.unknown(list(map(manifest_key, keys)))
            kept.extend(
                manifest_key(key) in unknown and not deleted.has(key, attempt)
                for key, attempt in zip(keys, attempts, strict=True)
            )
        # Filtering loads a library of functions: 0.1 seconds.
        return rows if all(kept) else rows.filter(pa.array(kept, pa.bool_()))

    def _note(self, part: Part, rows: "Table", part_id: str) -> None:
        piece = Piece(number=part.first, part_id=part_id, rows=rows.num_rows)
        self._known.add([piece], [rows["key"].to_pylist()])
        self.report.parts.append(part.key)
        self.report.added += rows.num_rows


def _unfit(key: str) -> Unfit:
    error = ManifestError("it holds a value that Parquet cannot hold")
    return Unfit.of(manifest_key(key), error)
