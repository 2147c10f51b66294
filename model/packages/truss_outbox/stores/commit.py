"""The commit protocol: artifacts first, the manifest last; the first to create it has won."""

import itertools
import logging
from collections.abc import Iterable

from ..contract.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    KeyConflictError,
    ManifestError,
    NotFoundError,
    OutputsError,
    StoreError,
    StoreUnavailableError,
)
from ..contract.keys import artifact_key, failure_key, manifest_key
from ..contract.manifest import CONTENT_TYPE, Failure, Manifest
from .protocol import MOST_DELETED, ObjectStore

logger = logging.getLogger(__name__)

_CHECKED_AFTER_SECONDS = 30 * 60.0
"""Long before a sweep may delete what has no manifest yet (after two hours at least)."""


def find_manifest(store: ObjectStore, key: str) -> Manifest | None:
    """The committed manifest of a key, or None. Raises ManifestError, StoreError."""
    try:
        return Manifest.at(manifest_key(key), store.get(manifest_key(key)))
    except NotFoundError:
        return None


def commit(store: ObjectStore, manifest: Manifest, *, seconds: float = 0.0) -> Manifest:
    """Create the manifest of uploaded artifacts; returns the one that is in the store afterwards.

    That is another execution's where it was first with the same fingerprint: then the artifacts
    of this one are deleted. `seconds` is how long ago their upload began: after many, because the
    model hung, a sweep may have taken them, which is StoreUnavailableError. Raises KeyConflictError
    where the first had another fingerprint, OutputsError where the manifest is larger than readers
    take, and StoreError; after a StoreUnavailableError the manifest may or may not be there.
    """
    try:
        data = checked_bytes(manifest)
    except OutputsError:
        _discard_artifacts(store, manifest)
        raise
    # Whichever way the clock was set meanwhile.
    if abs(seconds) > _CHECKED_AFTER_SECONDS:
        _check_artifacts(store, manifest)
    try:
        store.create(manifest_key(manifest.key), data, content_type=CONTENT_TYPE)
    except AlreadyExistsError:
        return _resolve(store, manifest)
    return manifest


def checked_bytes(manifest: Manifest) -> bytes:
    """A manifest as it is stored. Raises OutputsError where it is larger than readers take."""
    try:
        return manifest.to_bytes()
    except ManifestError as error:
        raise OutputsError(f"{error}: return less, or put it into a file") from None


def _check_artifacts(store: ObjectStore, manifest: Manifest) -> None:
    """Raises StoreUnavailableError where one is gone. By listing: the writer may not read them."""
    folder = artifact_key(manifest.key, manifest.attempt, "")
    try:
        stored = store.keys(folder)
    except AccessDeniedError:
        logger.warning("artifacts may have been swept: the model may not list its bucket")
        return
    # The folder is the attempt's alone.
    if len(stored) < manifest.artifact_count + (manifest.artifact_listing is not None):
        discard(store, stored)
        raise StoreUnavailableError(
            folder,
            "artifacts were swept before their manifest was written: the request is to be repeated",
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
    left = iter(keys)
    while batch := list(itertools.islice(left, MOST_DELETED)):
        try:
            store.delete_all(batch)
        except StoreError:
            logger.warning("orphaned artifacts were left behind", extra={"key": batch[0]})
            return  # A store that refuses some would hold us up with each of the others.


def _discard_artifacts(store: ObjectStore, manifest: Manifest) -> None:
    """Delete what an attempt stored whose manifest is not committed."""
    folder = artifact_key(manifest.key, manifest.attempt, "")
    names = [artifact.name for artifact in manifest.artifacts]
    if manifest.artifact_listing is None:
        discard(store, (folder + name for name in names))
        return
    try:
        discard(store, store.keys(folder))
    except StoreError:
        logger.warning("orphaned artifacts were left behind", extra={"key": folder})
