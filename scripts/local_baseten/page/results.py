"""Committed results, read from the bucket that the model writes to."""

import functools
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from truss_outbox.contract import Manifest
from truss_outbox.contract.errors import ConfigurationError, ManifestError
from truss_outbox.contract.keys import artifact_key
from truss_outbox.contract.manifest import check_artifact
from truss_outbox.stores import GcsOptions, ObjectStore, S3Options, open_store
from truss_outbox.stores.commit import find_manifest

from ..request_queue.pointer import is_key


class Results:
    """Reads `manifests/`, and of `artifacts/` what these name; nothing else. Takes its time."""

    def __init__(self, open_bucket: Callable[[], ObjectStore]) -> None:
        """The bucket is opened when a result is first read."""
        self._open_bucket = open_bucket

    @functools.cached_property
    def _store(self) -> ObjectStore:
        return self._open_bucket()

    def find(self, key: str) -> Manifest | None:
        """Raises ConfigurationError, ManifestError, StoreError."""
        if not is_key(key):
            return None
        manifest = find_manifest(self._store, key)
        if manifest is not None and manifest.key != key:
            raise ManifestError("the manifest belongs to another key")
        return manifest

    def open_artifact(self, manifest: Manifest, number: int) -> BinaryIO:
        """Its verified content, on disk until it is closed.

        Raises CorruptArtifactError, NotFoundError, StoreError.
        """
        artifact = manifest.artifacts[number]
        key = artifact_key(manifest.key, manifest.attempt, artifact.name)
        with tempfile.TemporaryDirectory(prefix="outbox-page-") as directory:
            path = Path(directory) / "artifact"
            sha256 = self._store.get_file(key, path, max_bytes=artifact.size)
            check_artifact(artifact, size=path.stat().st_size, sha256=sha256)
            return path.open("rb")


def open_model_bucket(config: Path, environment: Mapping[str, str]) -> ObjectStore:
    """The bucket of the Truss whose config.yaml it is. Raises ConfigurationError, StoreError.

    `environment` is the model's; what it does not say, the config does. Of credentials, the
    secrets that are in the environment and the clouds' own chains are known.
    """
    section = _section(config)

    def setting(name: str) -> str | None:
        value = environment.get(f"OUTBOX_{name.upper()}") or section.get(name)
        return str(value) if value else None

    def secret(name: str) -> str | None:
        return environment.get(f"TRUSS_SECRET_{name}") or None

    root = setting("root")
    if root is None:
        raise ConfigurationError("root", "no bucket is named")
    s3 = S3Options(
        endpoint_url=setting("endpoint_url"),
        region=setting("region"),
        access_key_id=secret("aws_access_key_id"),
        secret_access_key=secret("aws_secret_access_key"),
        session_token=secret("aws_session_token"),
    )
    gcs = GcsOptions(
        endpoint_url=setting("endpoint_url"), service_account=secret("gcp_service_account")
    )
    return open_store(root, s3=s3, gcs=gcs)


def _section(config: Path) -> Mapping[str, Any]:
    metadata = yaml.safe_load(config.read_text()).get("model_metadata")
    section = metadata.get("outbox") if isinstance(metadata, dict) else None
    return section if isinstance(section, dict) else {}
