"""What the deployment decides: `model_metadata.outbox` of config.yaml, secrets, environment."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from model.addresses import parse_hosts
from model.artifacts import KeyTemplate, ModelInfo
from model.artifacts.errors import ConfigurationError
from model.artifacts.keys import DEFAULT_TEMPLATE
from model.artifacts.stores import GcsOptions, S3Options, WebIdentity, WorkloadIdentity
from model.artifacts.stores.s3_options import AddressingStyle, Encryption

_ENVIRONMENT_PREFIX = "OUTBOX_"
_GCP_TOKEN_FILE = "B10_OIDC_TOKEN_PATH"  # noqa: S105 - a variable's name
_TOKEN_FILES = (_GCP_TOKEN_FILE, "AWS_WEB_IDENTITY_TOKEN_FILE")
_SECRETS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


def _places(value: Any) -> Any:
    return tuple(filter(None, re.split(r"[\s,]+", value))) if isinstance(value, str) else value


def _tags(value: Any) -> Any:
    return dict(parse_qsl(value, keep_blank_values=True)) if isinstance(value, str) else value


class Settings(BaseModel):
    """One field per setting; the environment's `OUTBOX_<FIELD>` goes before config.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    root: str
    """`s3://bucket/prefix`, `gs://bucket/prefix` or `file:///directory`."""
    key_template: str = DEFAULT_TEMPLATE
    version: str = "1"
    """Part of every fingerprint: raise it when equal input should give a new result."""
    endpoint_url: str | None = None
    """Of a store that speaks S3's (or Google's) API; AWS's (or Google's) own when absent."""
    region: str | None = None
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
    gcs_part_bytes: int = Field(default=8 << 20, gt=0, multiple_of=256 << 10)
    """Files over 8 MiB travel in parts of this size, one in memory at a time."""
    max_document_bytes: int = Field(default=100 << 20, gt=0)
    input_roots: Annotated[tuple[str, ...], BeforeValidator(_places)] = ()
    """Further places (`s3://bucket/archive`) whose objects `document.input` may name; read only."""
    url_hosts: Annotated[tuple[str, ...], BeforeValidator(parse_hosts)] = ()
    """Whose https addresses a document may have: names, or `*.example.com`. None: off."""
    url_timeout_seconds: float = Field(default=60.0, gt=0)
    """For fetching one such document, redirects and all."""
    max_pending_results: int = Field(default=16, gt=0)
    """Results that may wait for upload; beyond them `predict` waits."""
    store_timeout_seconds: float = Field(default=60.0, gt=0)
    """For one store call with all its repetitions; then the request is answered 503."""
    allow_unsafe_commit: bool = False
    """Take a store without conditional writes, where results can overwrite each other."""
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
    inference: dict[str, JsonValue] = Field(default_factory=dict)
    """Passed on to `model.inference.load`."""


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Raises ConfigurationError, which names the setting."""
    section = (config.get("model_metadata") or {}).get("outbox") or {}
    environment = {
        name: value
        for name in Settings.model_fields
        if (value := os.environ.get(_ENVIRONMENT_PREFIX + name.upper())) and name != "inference"
    }
    try:
        settings = Settings.model_validate({**section, **environment})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        setting = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"model_metadata.outbox.{setting}", first["msg"]) from None
    KeyTemplate.parse(settings.key_template)
    return settings


def s3_options(settings: Settings, secrets: Mapping[str, str]) -> S3Options:
    """A role where one is set, else Baseten secrets by name, else boto3's own chain."""
    identity = _web_identity(settings)
    key_id, key, token = (None if identity else _secret(secrets, name) for name in _SECRETS)
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
        **_group(settings, "s3_"),
    )


def _group(settings: Settings, prefix: str) -> dict[str, Any]:
    """The settings of one kind of store, by the names its options have for them."""
    return {
        name.removeprefix(prefix): getattr(settings, name)
        for name in Settings.model_fields
        if name.startswith(prefix)
    }


def _web_identity(settings: Settings) -> WebIdentity | None:
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


def gcs_options(settings: Settings, secrets: Mapping[str, str]) -> GcsOptions:
    """A provider where one is set, else the Baseten secret, else google-auth's own chain."""
    identity = _workload_identity(settings)
    return GcsOptions(
        endpoint_url=settings.endpoint_url,
        service_account=None if identity else _secret(secrets, "gcp_service_account"),
        workload_identity=identity,
        part_patience_seconds=settings.store_timeout_seconds,
        **_group(settings, "gcs_"),
    )


def _workload_identity(settings: Settings) -> WorkloadIdentity | None:
    if settings.gcp_workload_identity_provider is None:
        return None
    token_file = os.environ.get(_GCP_TOKEN_FILE)
    if token_file is None:
        raise ConfigurationError(
            "gcp_workload_identity_provider",
            f"there is no OIDC token, whose file {_GCP_TOKEN_FILE} would name:"
            " set runtime.oidc.enabled: true in config.yaml",
        )
    return WorkloadIdentity(
        provider=settings.gcp_workload_identity_provider,
        token_file=Path(token_file),
        service_account_email=settings.gcp_service_account_email,
    )


def model_info(
    settings: Settings, config: Mapping[str, Any], environment: Mapping[str, str] | None
) -> ModelInfo:
    return ModelInfo(
        name=config.get("model_name") or "model",
        version=settings.version,
        environment=(environment or {}).get("name"),
    )


def _secret(secrets: Mapping[str, str], name: str) -> str | None:
    try:
        return secrets[name].strip() or None
    except Exception as error:
        # Truss raises a class of its own, importable only inside its server.
        if type(error).__name__ in {"SecretNotFound", "KeyError"}:
            return None
        raise
