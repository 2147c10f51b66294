"""What a worker does with keys: read their results as rows, or verify their files."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from truss_outbox.contract.errors import (
    AccessDeniedError,
    OutboxError,
    StoreUnavailableError,
)
from truss_outbox.contract.keys import artifact_key, manifest_key
from truss_outbox.contract.manifest import Artifact, Manifest, check_artifact

from ..bucket.bucket import Bucket
from ..bucket.open_bucket import Connection, open_bucket
from ..bucket.records import artifacts_of, read_manifest
from ..indexing import format as index_format

if TYPE_CHECKING:
    from pyarrow import Table

_THE_BUCKETS = (AccessDeniedError, StoreUnavailableError)
"""Errors that the next key would meet too: the worker's task fails, and the engine repeats it."""


def read_rows(
    keys: Iterable[str], *, root: str, **connection: Unpack[Connection]
) -> Iterator[dict[str, Any]]:
    """A row for each key, in no order: the index's columns, and `job`.

    What is no result, or cannot be a row, has its `key` and a `problem` alone; else that is None.
    Raises ConfigurationError and StoreError.
    """
    bucket = open_bucket(root, **connection)
    return bucket.in_threads(partial(_row, bucket), keys)


def _row(bucket: Bucket, key: str) -> dict[str, Any]:
    try:
        manifest, _ = read_manifest(bucket, manifest_key(key))
        return {**index_format.row(manifest), "job": manifest.job, "problem": None}
    except _THE_BUCKETS:
        raise
    except OutboxError as error:
        return {"key": key, "problem": f"{error.code}: {error}"}


def read_table(batch: Mapping[str, Any], *, root: str, **connection: Unpack[Connection]) -> "Table":
    """As `read_rows`, of a batch of columns with one named `key`, as an Arrow table.

    For `ray.data.Dataset.map_batches`.
    """
    import pyarrow as pa  # noqa: PLC0415  # 0.3 seconds that others need not pay

    columns = index_format.schema()
    columns = columns.append(pa.field("job", pa.string())).append(pa.field("problem", pa.string()))
    rows = read_rows(map(str, batch["key"]), root=root, **connection)
    return pa.Table.from_pylist(list(rows), schema=columns)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """A result whose files were read: `problem` is what is wrong with it, or None."""

    key: str
    job: str | None
    item: str | None
    files: int
    size: int
    problem: str | None


def verify(
    keys: Iterable[str], *, root: str, **connection: Unpack[Connection]
) -> Iterator[dict[str, Any]]:
    """Read every file of each key's result, compare size and SHA-256, and keep nothing.

    A dictionary comes for each key, in no order: `key`, `job`, `item`, `files` and `size` of what
    is whole, and `problem`. Raises ConfigurationError and StoreError.
    """
    bucket = open_bucket(root, **connection)
    return map(asdict, bucket.in_threads(partial(_verified, bucket), keys))


def _verified(bucket: Bucket, key: str) -> Verified:
    manifest: Manifest | None = None
    files = size = 0
    problem = None
    try:
        manifest, _ = read_manifest(bucket, manifest_key(key))
        for artifact in artifacts_of(bucket, manifest):
            _check(bucket, manifest, artifact)
            files, size = files + 1, size + artifact.size
    except _THE_BUCKETS:
        raise
    except OutboxError as error:
        problem = f"{error.code}: {error}"
    return Verified(
        key=key,
        job=None if manifest is None else manifest.job,
        item=None if manifest is None else manifest.item,
        files=files,
        size=size,
        problem=problem,
    )


def _check(bucket: Bucket, manifest: Manifest, artifact: Artifact) -> None:
    path = artifact_key(manifest.key, manifest.attempt, artifact.name)
    digest, size = hashlib.sha256(), bucket.size(path)
    # Of an empty object there is no range.
    for chunk in bucket.range_chunks(path, start=0, length=size) if size else ():
        digest.update(chunk)
    check_artifact(artifact, size=size, sha256=digest.hexdigest())
