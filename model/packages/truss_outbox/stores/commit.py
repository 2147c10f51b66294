"""The commit protocol: artifacts first, the manifest last; the first to create it has won."""

import logging
import mimetypes
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..contract.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    KeyConflictError,
    NotFoundError,
    OutputsError,
    StoreError,
    StoreUnavailableError,
)
from ..contract.keys import artifact_key, failure_key, manifest_key
from ..contract.manifest import CONTENT_TYPE, MAX_MANIFEST_BYTES, Artifact, Failure, Manifest
from ..contract.names import check_artifact_names
from ..contract.root import Root
from .protocol import ObjectStore

logger = logging.getLogger(__name__)

_UPLOADS_AT_ONCE = 4
_CHECKED_AFTER_SECONDS = 30 * 60.0
"""Long before a sweep may delete what has no manifest yet (after two hours at least)."""

_CONTENT_TYPES = mimetypes.MimeTypes()  # Python's own table: the machine's cannot change it.
for _type, _ending in (
    ("text/csv", ".csv"),
    ("image/webp", ".webp"),
    ("application/x-subrip", ".srt"),
    ("text/vtt", ".vtt"),
    ("audio/flac", ".flac"),
    ("audio/ogg", ".ogg"),
    ("application/jsonl", ".jsonl"),
):
    _CONTENT_TYPES.add_type(_type, _ending)


def find_manifest(store: ObjectStore, key: str) -> Manifest | None:
    """The committed manifest of a key, or None. Raises ManifestError, StoreError."""
    try:
        return Manifest.at(manifest_key(key), store.get(manifest_key(key)))
    except NotFoundError:
        return None


def check_files(files: Mapping[str, Path]) -> None:
    """Whether these can be stored as artifacts. Raises OutputsError."""
    try:
        check_artifact_names(files)
    except ValueError as error:
        raise OutputsError(str(error)) from None
    for name, path in files.items():
        if not path.is_file():
            raise OutputsError(f"there is no file for the artifact {name!r}")
        if not os.access(path, os.R_OK):
            raise OutputsError(f"the file for the artifact {name!r} may not be read")


def upload_artifacts(
    store: ObjectStore, files: Mapping[str, Path], *, key: str, attempt: str
) -> list[Artifact]:
    """Store every file under the attempt's own directory; on failure, leave none of them there.

    A few travel at a time: a small one costs a round trip to the bucket, whatever its size.
    Raises StoreError, and OutputsError for names that cannot be stored or a file that is missing.
    """
    check_files(files)

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


def commit(store: ObjectStore, manifest: Manifest, *, seconds: float = 0.0) -> Manifest:
    """Create the manifest of uploaded artifacts; returns the one that is in the store afterwards.

    That is another execution's where it was first with the same fingerprint: then the artifacts
    of this one are deleted. `seconds` is how long ago their upload began: after many, because the
    model hung, a sweep may have taken them, which is StoreUnavailableError. Raises KeyConflictError
    where the first had another fingerprint, OutputsError where the manifest is larger than readers
    take, and StoreError; after a StoreUnavailableError the manifest may or may not be there.
    """
    data = manifest.to_bytes()
    if len(data) > MAX_MANIFEST_BYTES:
        _discard_artifacts(store, manifest)
        raise OutputsError(
            f"the manifest would have {len(data):,} bytes, more than the {MAX_MANIFEST_BYTES:,}"
            " that readers take: return fewer files, or put a large result into one of them"
        )
    # Whichever way the clock was set meanwhile.
    if abs(seconds) > _CHECKED_AFTER_SECONDS:
        _check_artifacts(store, manifest)
    try:
        store.create(manifest_key(manifest.key), data, content_type=CONTENT_TYPE)
    except AlreadyExistsError:
        return _resolve(store, manifest)
    return manifest


def _check_artifacts(store: ObjectStore, manifest: Manifest) -> None:
    """Raises StoreUnavailableError where one is gone. One call: the writer may list, not read."""
    try:
        stored = store.keys(artifact_key(manifest.key, manifest.attempt, ""))
    except AccessDeniedError:
        logger.warning("artifacts may have been swept: the model may not list its bucket")
        return
    for artifact in manifest.artifacts:
        key = artifact_key(manifest.key, manifest.attempt, artifact.name)
        if key not in stored:
            _discard_artifacts(store, manifest)
            raise StoreUnavailableError(
                key, "was swept before its manifest was written: the request is to be repeated"
            )


def _resolve(store: ObjectStore, manifest: Manifest) -> Manifest:
    committed = find_manifest(store, manifest.key)
    if committed is None:
        raise StoreError(manifest_key(manifest.key), "was there and is gone: do not delete results")
    # The same attempt: it is ours, stored by a call whose reply was lost on the way.
    if committed.attempt == manifest.attempt:
        return committed
    _discard_artifacts(store, manifest)
    if committed.fingerprint != manifest.fingerprint:
        raise KeyConflictError(manifest.key, request_id=committed.request_id)
    logger.info("another execution was first", extra={"key": manifest.key})
    return committed


def record_failure(store: ObjectStore, failure: Failure) -> None:
    """Raises StoreError."""
    key = failure_key(failure.key, failure.attempt)
    # Create-only too: nothing that a reader may have seen is ever overwritten.
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


def _discard_artifacts(store: ObjectStore, manifest: Manifest) -> None:
    """Delete what an attempt stored whose manifest is not committed."""
    names = (artifact.name for artifact in manifest.artifacts)
    discard(store, (artifact_key(manifest.key, manifest.attempt, name) for name in names))


def _upload(store: ObjectStore, name: str, path: Path, *, key: str) -> Artifact:
    content_type = _CONTENT_TYPES.guess_type(name)[0] or "application/octet-stream"
    stored = store.put_file(key, path, content_type=content_type)
    return Artifact(
        name=name,
        uri=Root.parse(store.root).uri(key),
        size=stored.size,
        content_type=content_type,
        sha256=stored.sha256,
    )
