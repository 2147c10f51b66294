"""A part of the index: its columns, and manifests as its rows."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from truss_outbox.contract import Manifest
from truss_outbox.contract.errors import ManifestError

if TYPE_CHECKING:
    from pyarrow import Schema, Table

_PART_ID = b"outbox.part"
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
        "unsafe_commit": manifest.unsafe_commit,
    }


def manifest(job: str, record: Mapping[str, Any]) -> Manifest:
    """The manifest that `row` was given, as far as this version knows its fields.

    Raises ManifestError for a record that `row` cannot have made.
    """
    try:
        result = None if record["result"] is None else json.loads(record["result"])
        known = {**record, "job": job, "labels": dict(record["labels"]), "result": result}
        return Manifest.model_validate(known)
    except (ValueError, TypeError, KeyError) as error:
        raise ManifestError("a row of the index is not a manifest's: make it anew") from error


def table(rows: Iterable[Mapping[str, Any]]) -> "Table":
    """Raises ValueError (UnicodeEncodeError, pyarrow.ArrowInvalid) and OverflowError."""
    import pyarrow as pa  # noqa: PLC0415

    return pa.Table.from_pylist(list(rows), schema=schema())


def encoded(rows: "Table", *, part_id: str) -> bytes:
    """The bytes of a Parquet file with the rows by key."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    # Sorted, so that the order within a part is no accident of several threads.
    rows = rows.sort_by("key").replace_schema_metadata({_PART_ID: part_id.encode()})
    sink = pa.BufferOutputStream()
    parquet.write_table(rows, sink, compression="zstd", row_group_size=max(1, rows.num_rows))
    data: bytes = sink.getvalue().to_pybytes()
    return data


def part_id(metadata: Mapping[bytes, bytes] | None) -> str:
    """What `encoded` was given, from a Parquet file's own metadata; empty where it is not ours."""
    return (metadata or {}).get(_PART_ID, b"").decode(errors="replace")
