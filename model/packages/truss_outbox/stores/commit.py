"""The commit protocol: artifacts first, the manifest last, whoever creates it first has won."""

import logging
import mimetypes
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..contract.errors import (
    AlreadyExistsError,
    KeyConflictError,
    NotFoundError,
    StoreError,
)
from ..contract.keys import artifact_key, failure_key, manifest_key
from ..contract.manifest import CONTENT_TYPE, Artifact, Failure, Manifest
from ..contract.names import check_artifact_names
from .protocol import ObjectStore

logger = logging.getLogger(__name__)

_UPLOADS_AT_ONCE = 4

_CONTENT_TYPES = mimetypes.MimeTypes()  # Python's own table: the machine's cannot change it.
_CONTENT_TYPES.add_type("text/csv", ".csv")
_CONTENT_TYPES.add_type("image/webp", ".webp")


def find_manifest(store: ObjectStore, key: str) -> Manifest | None:
    """The committed manifest of a key, or None. Raises ManifestError, StoreError."""
    try:
        return Manifest.at(manifest_key(key), store.get(manifest_key(key)))
    except NotFoundError:
        return None


def upload_artifacts(
    store: ObjectStore, files: Mapping[str, Path], *, key: str, attempt: str
) -> list[Artifact]:
    """Store every file under the attempt's own directory; on failure, leave none of them there.

    A few travel at a time: what counts for small ones is the way to the bucket, not their bytes.
    Raises StoreError, and ValueError for a name that is not a safe relative path, or no file.
    """
    check_artifact_names(files)
    for name, path in files.items():
        if not path.is_file():
            raise ValueError(f"there is no file for the artifact {name!r}")

    def upload(name: str) -> Artifact:
        return _upload(store, name, files[name], key=artifact_key(key, attempt, name))

    try:
        with ThreadPoolExecutor(_UPLOADS_AT_ONCE, thread_name_prefix="outbox-artifact") as pool:
            # A thread for a single small file would cost a tenth of sending it.
            return list(pool.map(upload, files) if len(files) > 1 else map(upload, files))
    except StoreError:
        # None is on its way any more: the pool has waited for those that had begun.
        discard(store, (artifact_key(key, attempt, name) for name in files))
        raise


def commit(store: ObjectStore, manifest: Manifest) -> Manifest:
    """Create the manifest of uploaded artifacts; returns the one that stands for its key.

    That is another execution's where it was first with the same fingerprint: then the artifacts
    of this one are deleted. Raises KeyConflictError where the first had another fingerprint, and
    StoreError; after a StoreUnavailableError the manifest may or may not stand.
    """
    try:
        store.create(manifest_key(manifest.key), manifest.to_bytes(), content_type=CONTENT_TYPE)
    except AlreadyExistsError:
        return _resolve(store, manifest)
    return manifest


def _resolve(store: ObjectStore, manifest: Manifest) -> Manifest:
    standing = find_manifest(store, manifest.key)
    if standing is None:
        raise StoreError(manifest_key(manifest.key), "was there and is gone: do not delete results")
    # The same attempt: it is ours, stored by a call whose reply was lost on the way.
    if standing.attempt == manifest.attempt:
        return standing
    discard(
        store, (artifact_key(manifest.key, manifest.attempt, a.name) for a in manifest.artifacts)
    )
    if standing.fingerprint != manifest.fingerprint:
        raise KeyConflictError(manifest.key, request_id=standing.request_id)
    logger.info("another execution was first", extra={"key": manifest.key})
    return standing


def record_failure(store: ObjectStore, failure: Failure) -> None:
    """Raises StoreError."""
    key = failure_key(failure.key, failure.attempt)
    try:
        store.create(key, failure.to_bytes(), content_type=CONTENT_TYPE)
    except AlreadyExistsError:
        # Ours, stored by a call whose reply was lost: an attempt has one record.
        return


def discard(store: ObjectStore, keys: Iterable[str]) -> None:
    """Delete objects no manifest names; those that cannot be deleted harm nobody and are logged."""
    for key in keys:
        try:
            store.delete(key)
        except StoreError:
            logger.warning("orphaned artifacts were left behind", extra={"key": key})
            return  # A store that refuses one would hold us up with each of the others.


def _upload(store: ObjectStore, name: str, path: Path, *, key: str) -> Artifact:
    content_type = _CONTENT_TYPES.guess_type(name)[0] or "application/octet-stream"
    stored = store.put_file(key, path, content_type=content_type)
    return Artifact(
        name=name,
        uri=f"{store.root}/{key}",
        size=stored.size,
        content_type=content_type,
        sha256=stored.sha256,
    )
