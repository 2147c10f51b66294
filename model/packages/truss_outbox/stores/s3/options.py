"""How to reach S3, or a store that speaks its API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

AddressingStyle = Literal["auto", "path", "virtual"]
Encryption = Literal["AES256", "aws:kms", "aws:kms:dsse"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WebIdentity:
    """An AWS role assumed with an OIDC token; the token's file is read anew at every renewal."""

    role_arn: str
    token_file: Path
    session_name: str = "outbox"
    duration_seconds: int = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Options:
    """Without keys and `web_identity`, boto3's default chain finds credentials.

    Files from `multipart_threshold_bytes` on travel in parts, `part_concurrency` of one file at a
    time, streamed from disk. A part that fails is repeated alone for `part_patience_seconds`.
    Tags and encryption go with every object, the storage class with artifacts only.
    """

    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    web_identity: WebIdentity | None = None
    addressing_style: AddressingStyle | None = None
    ca_bundle: Path | None = None
    expected_bucket_owner: str | None = None
    encryption: Encryption | None = None
    kms_key_id: str | None = None
    storage_class: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    connect_timeout_seconds: float = 3
    read_timeout_seconds: float = 20
    max_connections: int = 64
    multipart_threshold_bytes: int = 64 << 20
    part_bytes: int = 64 << 20
    part_concurrency: int = 2
    part_patience_seconds: float = 60
