"""How to reach S3, or a store that speaks its API: the settings, and what goes with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

from ..settings import Checked, StoreSettings

AddressingStyle = Literal["auto", "path", "virtual"]
Encryption = Literal["AES256", "aws:kms", "aws:kms:dsse"]

# S3 takes parts of 5 MiB to 5 GiB.
_PartBytes = Annotated[int, Checked(ge=5 << 20, le=5 << 30)]


def _tags(value: Any) -> Any:
    return dict(parse_qsl(value, keep_blank_values=True)) if isinstance(value, str) else value


@dataclass(frozen=True, kw_only=True)
class S3Settings(StoreSettings):
    region: str | None = None
    aws_role_arn: str | None = None
    """The role to take with Baseten's OIDC token; goes before the secrets."""
    aws_role_session_name: str = "outbox"
    aws_role_duration_seconds: Annotated[int, Checked(ge=900, le=43200)] = 3600
    s3_addressing_style: AddressingStyle | None = None
    """`auto`, `path` or `virtual`; by default `path` with an `endpoint_url`, else the profile's."""
    s3_ca_bundle: Path | None = None
    """PEM file of the authorities that are trusted; by default as the SDK finds it."""
    s3_expected_bucket_owner: Annotated[str, Checked(pattern=r"^\d{12}$")] | None = None
    """AWS account id; a bucket of anyone else is refused."""
    s3_encryption: Encryption | None = None
    """`AES256`, `aws:kms` or `aws:kms:dsse`, for every object; the bucket's default when absent."""
    s3_kms_key_id: str | None = None
    s3_storage_class: str | None = None
    """Of artifacts; manifests stay where they are read at once."""
    s3_tags: Annotated[Mapping[str, str], Checked(before=_tags)] = field(default_factory=dict)
    """Of every object; `name=value&name=value` in the environment."""
    s3_multipart_threshold_bytes: _PartBytes = 64 << 20
    """Files from this size on travel in parts, streamed from disk."""
    s3_part_bytes: _PartBytes = 64 << 20
    s3_part_concurrency: Annotated[int, Checked(gt=0)] = 2
    """Parts of one file that travel at a time."""


@dataclass(frozen=True, kw_only=True)
class S3Options(S3Settings):
    """The settings with their credentials: a role's, else these keys, else the SDK's default chain.

    The OIDC token for the role is read from its file anew at every renewal.
    """

    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    oidc_token_file: Path | None = None
    endpoint_setting: str = "endpoint_url"
    """What named `endpoint_url`, for errors."""
