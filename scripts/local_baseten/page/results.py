"""Committed results, read from the bucket that the model writes to."""

import functools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import yaml

from truss_outbox.contract.config_section import environment_name, outbox_setting_values
from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.keys import artifact_key
from truss_outbox.contract.manifest import Manifest, check_artifact
from truss_outbox.stores import GcsOptions, ObjectStore, S3Options, open_store
from truss_outbox.stores.commit import find_manifest

_SETTINGS = ("root", "endpoint_url", "region")
_COMPANIONS = (
    *_SETTINGS,
    *("s3_addressing_style", "s3_ca_bundle", "key_template", "metadata_field"),
)
"""By these it reaches the bucket, and knows where in it a result is."""


@dataclass(frozen=True)
class Results:
    """Reads `manifests/`, and of `artifacts/` what these name; nothing else.

    Each call waits for the bucket, which is opened when a result is first read.
    """

    open_bucket: Callable[[], ObjectStore]

    @functools.cached_property
    def _store(self) -> ObjectStore:
        return self.open_bucket()

    def find(self, key: str) -> Manifest | None:
        """Raises ConfigurationError, ManifestError, StoreError."""
        return find_manifest(self._store, key)

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

    `environment` is the model's; what it does not name, the config does. Of credentials, the
    secrets that are in the environment and the clouds' own chains are known.
    """

    def secret(name: str) -> str | None:
        return environment.get(f"TRUSS_SECRET_{name}") or None

    values = _settings_of(config, environment, _SETTINGS)
    if "root" not in values:
        raise ConfigurationError("root", "no bucket is named")
    s3 = S3Options(
        endpoint_url=values.get("endpoint_url"),
        region=values.get("region"),
        access_key_id=secret("aws_access_key_id"),
        secret_access_key=secret("aws_secret_access_key"),
        session_token=secret("aws_session_token"),
    )
    gcs = GcsOptions(
        endpoint_url=values.get("endpoint_url"), service_account=secret("gcp_service_account")
    )
    return open_store(values["root"], s3=s3, gcs=gcs)


def companion_variables(config: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """What of the model's settings a companion needs: `OUTBOX_ROOT` and the like, where set."""
    try:
        values = _settings_of(config, environment, _COMPANIONS)
    except ConfigurationError:
        return {}  # the model, which cannot come up, says it
    return {environment_name(name): value for name, value in values.items()}


def _settings_of(
    config: Path, environment: Mapping[str, str], names: Sequence[str]
) -> dict[str, str]:
    """Raises ConfigurationError."""
    named = outbox_setting_values(yaml.safe_load(config.read_text()), environment, names)
    return {name: str(value) for name, value in named.items()}
