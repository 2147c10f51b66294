"""Ways to store a result, to be compared: the model's, and bare clients'."""

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from truss_outbox.contract import Manifest, ModelInfo
from truss_outbox.contract.keys import artifact_key, new_attempt
from truss_outbox.stores import ObjectStore
from truss_outbox.stores.commit import commit, upload_artifacts

THREADS = 8
SMALL_BYTES = 1 << 20

Way = Callable[[Mapping[str, Path], Manifest], object]
"""Stores files under the manifest's key, and the manifest last, create-only."""


def store_as_model(store: ObjectStore, files: Mapping[str, Path], manifest: Manifest) -> None:
    artifacts = upload_artifacts(store, files, key=manifest.key, attempt=manifest.attempt)
    commit(store, manifest.model_copy(update={"artifacts": artifacts}))


def keys_of(files: Mapping[str, Path], manifest: Manifest) -> dict[str, Path]:
    return {artifact_key(manifest.key, manifest.attempt, name): files[name] for name in files}


def new_manifest() -> Manifest:
    """Of a result that has no artifacts yet."""
    return Manifest(
        key=f"job=bench/{uuid.uuid4().hex}",
        request_id="R",
        job="bench",
        item="I",
        attempt=new_attempt(),
        fingerprint="0" * 64,
        model=ModelInfo(name="bench", version="1"),
        created_at=datetime.now(UTC),
        artifacts=[],
    )
