"""How the deployment reaches S3: settings, and the Baseten secrets that go with them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl

from pydantic import BeforeValidator, Field

from ...contract.errors import ConfigurationError
from ...stores import S3Options, WebIdentity
from ...stores.s3.options import AddressingStyle, Encryption
from .stores import StoreSettings, group, secret

_TOKEN_FILES = ("B10_OIDC_TOKEN_PATH", "AWS_WEB_IDENTITY_TOKEN_FILE")
_SECRETS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


def _tags(value: Any) -> Any:
    return dict(parse_qsl(value, keep_blank_values=True)) if isinstance(value, str) else value


class S3Settings(StoreSettings):
    region: str | None = None
    aws_role_arn: str | None = None
    """The role to take with Baseten's OIDC token; goes before the secrets."""
    aws_role_session_name: str = "outbox"
    aws_role_duration_seconds: int = Field(default=3600, ge=900, le=43200)
    s3_addressing_style: AddressingStyle | None = None
    """`auto`, `path` or `virtual`; by default `path` with an `endpoint_url`, else `auto`."""
    s3_ca_bundle: Path | None = None
    """PEM file of the authorities that vouch for `endpoint_url`."""
    s3_expected_bucket_owner: str | None = Field(default=None, pattern=r"^\d{12}$")
    """AWS account id; a bucket of anyone else is refused."""
    s3_encryption: Encryption | None = None
    """`AES256`, `aws:kms` or `aws:kms:dsse`; the bucket's own default when absent."""
    s3_kms_key_id: str | None = None
    s3_storage_class: str | None = None
    """Of artifacts; manifests stay where they are read at once."""
    s3_tags: Annotated[dict[str, str], BeforeValidator(_tags)] = Field(default_factory=dict)
    """Of every object; `name=value&name=value` in the environment."""
    s3_connect_timeout_seconds: float = Field(default=3.0, gt=0)
    s3_read_timeout_seconds: float = Field(default=20.0, gt=0)
    s3_max_connections: int = Field(default=64, gt=0)
    s3_multipart_threshold_bytes: int = Field(default=64 << 20, ge=5 << 20, le=5 << 30)
    """Files from this size on travel in parts."""
    s3_part_bytes: int = Field(default=64 << 20, ge=5 << 20, le=5 << 30)
    s3_part_concurrency: int = Field(default=2, gt=0)
    """Parts of one file that travel at a time."""


def s3_options(settings: S3Settings, secrets: Mapping[str, str]) -> S3Options:
    """A role where one is set, else Baseten secrets by name, else boto3's own chain."""
    identity = _web_identity(settings)
    key_id, key, token = (None if identity else secret(secrets, name) for name in _SECRETS)
    if (key_id is None) != (key is None):
        raise ConfigurationError(
            "secrets", "aws_access_key_id and aws_secret_access_key come together or not at all"
        )
    return S3Options(
        endpoint_url=settings.endpoint_url,
        region=settings.region,
        access_key_id=key_id,
        secret_access_key=key,
        session_token=token,
        web_identity=identity,
        part_patience_seconds=settings.store_timeout_seconds,
        **group(settings, "s3_"),
    )


def _web_identity(settings: S3Settings) -> WebIdentity | None:
    if settings.aws_role_arn is None:
        return None
    token_file = next(filter(None, map(os.environ.get, _TOKEN_FILES)), None)
    if token_file is None:
        raise ConfigurationError(
            "aws_role_arn",
            f"there is no OIDC token, whose file {_TOKEN_FILES[0]} would name:"
            " set runtime.oidc.enabled: true in config.yaml",
        )
    return WebIdentity(
        role_arn=settings.aws_role_arn,
        token_file=Path(token_file),
        session_name=settings.aws_role_session_name,
        duration_seconds=settings.aws_role_duration_seconds,
    )
