"""A job's manifests as rows of its index."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from truss_outbox.contract.errors import ManifestError

from ..bucket.bucket import Bucket, StoredObject
from ..bucket.records import UnreadableManifest, read_listed
from . import format as index_format

if TYPE_CHECKING:
    from pyarrow import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """`values` by column; `size` is the manifest's in bytes."""

    values: dict[str, Any]
    size: int


def read_row(bucket: Bucket, job: str, found: StoredObject) -> Row | UnreadableManifest | None:
    """None for a manifest of another job. Raises what `read_listed` raises."""
    manifest = read_listed(bucket, found)
    if isinstance(manifest, UnreadableManifest):
        return manifest
    if manifest.job != job:
        return None
    try:
        return Row(values=index_format.row(manifest), size=found.size)
    except ManifestError as error:
        return UnreadableManifest.of(found.key, error)


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
