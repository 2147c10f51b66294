"""How to reach Google Cloud Storage, or an emulator of it."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadIdentity:
    """Google credentials for an OIDC token; the token's file is read anew at every renewal.

    `provider` is `projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`.
    With `service_account_email` the identity acts as that account, else as itself.
    """

    provider: str
    token_file: Path
    service_account_email: str | None = None
    sts_url: str = "https://sts.googleapis.com"
    iam_credentials_url: str = "https://iamcredentials.googleapis.com"


@dataclass(frozen=True, kw_only=True, slots=True)
class GcsOptions:
    """Without `service_account` and `workload_identity`, google-auth's default chain is asked.

    Where `endpoint_url` is http, an emulator's, there are then no credentials at all. Files over
    8 MiB travel in parts of `part_bytes`, a multiple of 256 KiB; of one file, one is in memory
    at a time. A part that fails is repeated alone for `part_patience_seconds`. `kms_key`
    (`projects/…/locations/…/keyRings/…/cryptoKeys/…`) goes with every object, the storage class
    with artifacts only.
    """

    endpoint_url: str | None = None
    service_account: str | None = field(default=None, repr=False)
    workload_identity: WorkloadIdentity | None = None
    kms_key: str | None = None
    storage_class: str | None = None
    connect_timeout_seconds: float = 3
    read_timeout_seconds: float = 20
    max_connections: int = 64
    part_bytes: int = 64 << 20
    part_patience_seconds: float = 60
