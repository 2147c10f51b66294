"""A part of the index: its columns, and manifests as its rows."""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from truss_outbox.contract.errors import ManifestError
from truss_outbox.contract.manifest import Manifest

if TYPE_CHECKING:
    from pyarrow import Schema, Table
    from pyarrow.parquet import FileMetaData

_PART_ID, _PIECES, _JOB = b"outbox.part", b"outbox.pieces", b"outbox.job"
_SCALARS = {"key", "item", "request_id", "attempt", "fingerprint", "created_at"}


def schema() -> "Schema":
    """One row per result. The job is not a column: the folder `job=…` says it, as in Hive."""
    import pyarrow as pa  # noqa: PLC0415  # 0.3 seconds that other commands need not pay

    text = pa.string()
    artifact = {
        "name": text,
        "uri": text,
        "size": pa.int64(),
        "content_type": text,
        "sha256": text,
    }
    counts = {"artifact_count": pa.int64(), "artifact_bytes": pa.int64()}
    steps = ("queue", "preprocess", "predict", "upload")
    return pa.schema(
        {
            "key": text,
            "item": text,
            "request_id": text,
            "attempt": text,
            "fingerprint": text,
            "created_at": pa.timestamp("us", tz="UTC"),
            "model": pa.struct({"name": text, "version": text, "environment": text}),
            "labels": pa.map_(text, text),
            "timings_ms": pa.struct(dict.fromkeys(steps, pa.float64())),
            "result": text,
            "artifacts": pa.list_(pa.struct(artifact)),
            "artifact_listing": pa.struct(artifact | counts),
            "unsafe_commit": pa.bool_(),
        }
    )


def row(manifest: Manifest) -> dict[str, Any]:
    """As `schema` has it. `result` is JSON text, null where there is none.

    Fields of a manifest that this version does not know stay in the manifest alone. Raises
    ManifestError for a result that JSON cannot say.
    """
    record = manifest.model_dump(include=_SCALARS | {"model", "timings_ms", "artifacts"})
    try:
        result = None if manifest.result is None else json.dumps(manifest.result, allow_nan=False)
    except ValueError as error:
        raise ManifestError("its result holds a number that JSON has not") from error
    return record | {
        "labels": list(manifest.labels.items()),
        "result": result,
        "artifact_listing": manifest.artifact_listing and manifest.artifact_listing.model_dump(),
        "unsafe_commit": manifest.unsafe_commit,
    }


def manifest(job: str, record: Mapping[str, Any]) -> Manifest:
    """The manifest that `row` was given, as far as this version knows its fields.

    Raises ManifestError for a record that `row` cannot have made.
    """
    try:
        result = None if record["result"] is None else json.loads(record["result"])
        known = {**record, "labels": dict(record["labels"]), "result": result}
        return _valid(job, known)
    except (ValueError, TypeError, KeyError) as error:
        raise ManifestError(_NO_MANIFEST) from error


SUMMED_UP = (
    *("key", "item", "attempt", "created_at", "model", "timings_ms"),
    *("artifacts", "artifact_listing"),
)
"""The columns that `brief` needs: the others take most of the time that a row takes."""


def brief(job: str, record: Mapping[str, Any]) -> Manifest:
    """As `manifest`, without request id, fingerprint, labels and result."""
    try:
        return _valid(job, {**record, **_UNREAD})
    except (ValueError, TypeError) as error:
        raise ManifestError(_NO_MANIFEST) from error


def _valid(job: str, known: Mapping[str, Any]) -> Manifest:
    # None where there is none, or where the row is of before there were such.
    is_listed = known.get("artifact_listing") is not None
    return Manifest.model_validate(
        {**known, "job": job, "schema": f"outbox.manifest/v{2 if is_listed else 1}"}
    )


_NO_MANIFEST = "a row of the index is not a manifest's: make it anew"
_UNREAD = {"request_id": "", "fingerprint": "0" * 64}


def table(rows: Iterable[Mapping[str, Any]]) -> "Table":
    """Raises ValueError (UnicodeEncodeError, pyarrow.ArrowInvalid) and OverflowError."""
    import pyarrow as pa  # noqa: PLC0415

    return pa.Table.from_pylist(list(rows), schema=schema())


def fitted(rows: "Table") -> "Table | None":
    """Rows of a file in the columns that this version writes: null in those it had not.

    None where it has others, as a later version may.
    """
    import pyarrow as pa  # noqa: PLC0415

    known = schema()
    if not set(rows.column_names) <= set(known.names):
        return None
    missing = [field for field in known if field.name not in rows.column_names]
    for field in missing:
        rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    rows = rows.select(known.names)
    return rows.cast(known) if rows.schema.equals(known) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """What was created as the `number`-th part: it is one still, or a piece of a merged one.

    An index that was made anew has other ids under the same numbers. Cursors name a piece, so that
    merging leaves them as they are. They count the `rows` that it was created with; which of them
    are `gone`, because their results were deleted, it tells by their numbers, from 1 on.
    """

    number: int
    part_id: str
    rows: int
    gone: frozenset[int] = frozenset()

    @property
    def left(self) -> int:
        return self.rows - len(self.gone)

    def rows_left(self, *, after: int = 0) -> Iterator[int]:
        """The numbers of the rows that it has, after the first so many."""
        return (number for number in range(after + 1, self.rows + 1) if number not in self.gone)


def encoded(rows: "Table", *, job: str, part_id: str) -> bytes:
    """The bytes of a Parquet file with the rows by key."""
    import pyarrow as pa  # noqa: PLC0415  # 0.3 seconds that other commands need not pay
    from pyarrow import parquet  # noqa: PLC0415

    # Sorted, so that the order within a part is no accident of several threads.
    rows = rows.sort_by("key").replace_schema_metadata(_of_part(job, part_id))
    sink = pa.BufferOutputStream()
    parquet.write_table(rows, sink, compression="zstd", row_group_size=max(1, rows.num_rows))
    data: bytes = sink.getvalue().to_pybytes()
    return data


def merged_schema(pieces: Sequence[Piece], *, job: str) -> "Schema":
    """Of a part that takes the place of several, or of one with rows that have gone since."""
    named = [[one.number, one.part_id, one.rows, *_ranges(one.gone)] for one in pieces]
    metadata = {_PIECES: json.dumps(named, separators=(",", ":")).encode(), _JOB: job.encode()}
    return schema().with_metadata(metadata)


def pieces(file: "FileMetaData", *, number: int) -> tuple[Piece, ...]:
    """What a file that has the place of part `number`, and of more if it is a merged one, holds.

    Raises KeyError for what no index has.
    """
    metadata = file.metadata or {}
    if _PIECES not in metadata:
        part_id = metadata.get(_PART_ID, b"").decode(errors="replace")
        return (Piece(number=number, part_id=part_id, rows=file.num_rows),)
    try:
        return tuple(
            Piece(
                number=number,
                part_id=part_id,
                rows=rows,
                gone=frozenset(n for first, last in gone for n in range(first, last + 1)),
            )
            for number, part_id, rows, *gone in json.loads(metadata[_PIECES])
        )
    except (ValueError, TypeError) as error:
        raise KeyError(_PIECES) from error


def _ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of neighbours."""
    pairs = enumerate(sorted(numbers))
    for _, run in itertools.groupby(pairs, key=lambda pair: pair[1] - pair[0]):
        neighbours = [number for _, number in run]
        yield neighbours[0], neighbours[-1]


def job(metadata: Mapping[bytes, bytes] | None) -> str | None:
    """Whose index a part is of; None in one of before that was written down."""
    name = (metadata or {}).get(_JOB)
    return None if name is None else name.decode(errors="replace")


def _of_part(job: str, part_id: str) -> dict[bytes, bytes]:
    return {_PART_ID: part_id.encode(), _JOB: job.encode()}
