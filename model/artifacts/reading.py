"""Finding out what is committed."""

from model.artifacts.errors import CorruptArtifactError, NotFoundError
from model.artifacts.keys import manifest_key
from model.artifacts.manifest import Artifact, Manifest
from model.artifacts.stores import ObjectStore


def find_manifest(store: ObjectStore, key: str) -> Manifest | None:
    """The committed manifest of a key, or None. Raises ManifestError, StoreError."""
    try:
        return Manifest.from_bytes(store.get(manifest_key(key)))
    except NotFoundError:
        return None


def check_artifact(artifact: Artifact, *, size: int, sha256: str) -> None:
    """Raises CorruptArtifactError unless the bytes read are those the manifest promises."""
    if size != artifact.size:
        raise CorruptArtifactError(artifact.name, f"{size} bytes instead of {artifact.size}")
    if sha256 != artifact.sha256:
        raise CorruptArtifactError(artifact.name, "its SHA-256 is not the manifest's")
