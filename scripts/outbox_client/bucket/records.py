"""The records that the model writes, read in one way by all commands.

Anybody who may write to the bucket can put anything there. So a record is bounded before it is
read, and it counts only under its own key: under another one it could name the files of a result
that is not its own.
"""

from dataclasses import dataclass

from truss_outbox.contract import Failure, Manifest
from truss_outbox.contract.errors import (
    AccessDeniedError,
    ManifestError,
    NotFoundError,
    ObjectTooLargeError,
    OutboxError,
    StoreUnavailableError,
)
from truss_outbox.contract.keys import failure_key, short_segment
from truss_outbox.contract.manifest import MAX_MANIFEST_BYTES

from .bucket import Bucket, StoredObject


@dataclass(frozen=True, kw_only=True, slots=True)
class UnreadableManifest:
    """An object below `manifests/` that is none, and why; `key` is the object's own."""

    key: str
    code: str
    problem: str

    @classmethod
    def of(cls, key: str, error: OutboxError) -> "UnreadableManifest":
        return cls(key=key, code=error.code, problem=str(error).removeprefix(f"{key}: "))


def read_manifest(bucket: Bucket, path: str) -> tuple[Manifest, bytes]:
    """The manifest that lies at `path` below the root, and its bytes.

    Raises ManifestError: too large, of another schema, or under a key that is not its own; and
    NotFoundError, StoreError.
    """
    data = _read(bucket, path)
    return Manifest.at(path, data), data


def read_listed(bucket: Bucket, found: StoredObject) -> Manifest | UnreadableManifest:
    """As `read_manifest`, but what is wrong with one object does not end the reading of others.

    Raises AccessDeniedError and StoreUnavailableError, which the others would meet as well.
    """
    try:
        if found.size > MAX_MANIFEST_BYTES:  # the listing saves a request
            raise _too_large()
        return read_manifest(bucket, found.key)[0]
    except (AccessDeniedError, StoreUnavailableError):
        raise
    except OutboxError as error:
        return UnreadableManifest.of(found.key, error)


def read_failure(bucket: Bucket, path: str) -> Failure | None:
    """None where there is no failure record that can be read. Raises StoreError."""
    try:
        failure = Failure.from_bytes(_read(bucket, path))
    except (NotFoundError, ManifestError):
        return None
    return failure if path == failure_key(failure.key, failure.attempt) else None


def account_key(job: str) -> str:
    """Where a job's final account lies: `following` writes it, `report` reads it."""
    return f"jobs/{short_segment(job)}.json"


def _read(bucket: Bucket, path: str) -> bytes:
    try:
        return bucket.get(path, max_bytes=MAX_MANIFEST_BYTES)
    except ObjectTooLargeError as error:
        raise _too_large() from error


def _too_large() -> ManifestError:
    return ManifestError(f"it has more than the {MAX_MANIFEST_BYTES:,} bytes of a manifest")
