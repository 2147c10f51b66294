"""How the deployment reaches GCS: settings, and the Baseten secret that goes with them."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from ...contract.errors import ConfigurationError
from ...stores import GcsOptions, WorkloadIdentity
from .stores import StoreSettings, group, secret

_TOKEN_FILE = "B10_OIDC_TOKEN_PATH"  # noqa: S105 - a variable's name


class GcsSettings(StoreSettings):
    gcp_workload_identity_provider: str | None = Field(default=None, pattern=r"^projects/.+")
    """`projects/…/providers/…`, which trusts Baseten's OIDC token; goes before the secret."""
    gcp_service_account_email: str | None = None
    """Whom to act as with that token, where it has no rights on the bucket itself."""
    gcs_kms_key: str | None = None
    """`projects/…/locations/…/keyRings/…/cryptoKeys/…`; the bucket's own default when absent."""
    gcs_storage_class: str | None = None
    """Of artifacts; manifests stay where they are read at once."""
    gcs_connect_timeout_seconds: float = Field(default=3.0, gt=0)
    gcs_read_timeout_seconds: float = Field(default=20.0, gt=0)
    gcs_max_connections: int = Field(default=64, gt=0)
    gcs_part_bytes: int = Field(default=64 << 20, gt=0, multiple_of=256 << 10)
    """Files over 8 MiB travel in parts of this size, one of a file in memory at a time."""


def gcs_options(settings: GcsSettings, secrets: Mapping[str, str]) -> GcsOptions:
    """A provider where one is set, else the Baseten secret, else google-auth's own chain."""
    identity = _workload_identity(settings)
    return GcsOptions(
        endpoint_url=settings.endpoint_url,
        service_account=None if identity else secret(secrets, "gcp_service_account"),
        workload_identity=identity,
        part_patience_seconds=settings.store_timeout_seconds,
        **group(settings, "gcs_"),
    )


def _workload_identity(settings: GcsSettings) -> WorkloadIdentity | None:
    if settings.gcp_workload_identity_provider is None:
        return None
    token_file = os.environ.get(_TOKEN_FILE)
    if token_file is None:
        raise ConfigurationError(
            "gcp_workload_identity_provider",
            f"there is no OIDC token, whose file {_TOKEN_FILE} would name:"
            " set runtime.oidc.enabled: true in config.yaml",
        )
    return WorkloadIdentity(
        provider=settings.gcp_workload_identity_provider,
        token_file=Path(token_file),
        service_account_email=settings.gcp_service_account_email,
    )
