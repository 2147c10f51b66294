"""Ways to store a result, to be compared: the model's, and bare clients'."""

from collections.abc import Callable, Mapping
from pathlib import Path

from model.artifacts import Manifest, ObjectStore
from model.artifacts.keys import artifact_key
from model.artifacts.writing import commit, upload_artifacts

THREADS = 8
SMALL_BYTES = 1 << 20

Way = Callable[[Mapping[str, Path], Manifest], object]
"""Stores files under the manifest's key, and the manifest last, create-only."""


def store_as_model(store: ObjectStore, files: Mapping[str, Path], manifest: Manifest) -> None:
    artifacts = upload_artifacts(store, files, key=manifest.key, attempt=manifest.attempt)
    commit(store, manifest.model_copy(update={"artifacts": artifacts}))


def keys_of(files: Mapping[str, Path], manifest: Manifest) -> dict[str, Path]:
    return {artifact_key(manifest.key, manifest.attempt, name): files[name] for name in files}
