"""How to reach GCS, or an emulator of it: the settings, and what goes with them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from ..settings import Checked, StoreSettings


@dataclass(frozen=True, kw_only=True)
class GcsSettings(StoreSettings):
    gcp_workload_identity_provider: Annotated[str, Checked(pattern=r"^projects/.+")] | None = None
    """`projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`, which
    trusts Baseten's OIDC token; goes before the secret."""
    gcp_service_account_email: str | None = None
    """Whom to act as with that token, where it has no rights on the bucket itself."""
    gcs_kms_key: str | None = None
    """`projects/…/locations/…/keyRings/…/cryptoKeys/…`, for every object; the bucket's default
    when absent."""
    gcs_storage_class: str | None = None
    """Of artifacts; manifests stay where they are read at once."""
    gcs_part_bytes: Annotated[int, Checked(gt=0, multiple_of=256 << 10)] = 64 << 20
    """Files over 8 MiB travel in parts of this size, one of a file in memory at a time."""


@dataclass(frozen=True, kw_only=True)
class GcsOptions(GcsSettings):
    """The settings with their credentials: the provider's, else this key, else google-auth's
    default chain; where `endpoint_url` is http, an emulator's, none instead of the chain.

    The OIDC token for the provider is read from its file anew at every renewal.
    """

    service_account: str | None = field(default=None, repr=False)
    """The whole JSON of a service account's key."""
    oidc_token_file: Path | None = None
    endpoint_setting: str = "endpoint_url"
    """What named `endpoint_url`, for errors."""
    sts_url: str = "https://sts.googleapis.com"
    iam_credentials_url: str = "https://iamcredentials.googleapis.com"
