"""A job's manifests as rows of its index."""

from dataclasses import dataclass
from typing import Any

from model.artifacts import Manifest
from model.artifacts.errors import (
    AccessDeniedError,
    ManifestError,
    OutboxError,
    StoreUnavailableError,
)
from model.artifacts.keys import manifest_key
from scripts.client import index_format
from scripts.client.bucket import Bucket
from scripts.client.stored_object import StoredObject

MAX_MANIFEST_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """`values` by column; `size` is the manifest's in bytes."""

    values: dict[str, Any]
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Unindexed:
    """A manifest that could not become a row, and why; the next run tries it again."""

    key: str
    code: str
    problem: str


class ManifestRows:
    """Reads one manifest at a time; several threads may use it."""

    def __init__(self, job: str, bucket: Bucket) -> None:
        self._job = job
        self._bucket = bucket

    def read(self, found: StoredObject) -> Row | Unindexed | None:
        """None for a manifest of another job."""
        try:
            manifest = Manifest.from_bytes(self._get(found))
            if manifest.job != self._job:
                return None
            if found.key != manifest_key(manifest.key):
                raise ManifestError("the manifest lies under a key that is not its own")
            return Row(values=index_format.row(manifest), size=found.size)
        except (AccessDeniedError, StoreUnavailableError):
            raise  # The bucket is at fault, not this result.
        except OutboxError as error:
            return Unindexed(key=found.key, code=error.code, problem=str(error))

    def _get(self, found: StoredObject) -> bytes:
        if found.size > MAX_MANIFEST_BYTES:
            raise ManifestError(f"{found.size:,} bytes are more than a manifest has")
        return self._bucket.get(found.key)
