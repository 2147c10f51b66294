"""What the deployment decides: `model_metadata.outbox` of config.yaml, secrets, environment."""

import os
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from model.artifacts import KeyTemplate, ModelInfo
from model.artifacts.errors import ConfigurationError
from model.artifacts.keys import DEFAULT_TEMPLATE
from model.artifacts.stores import S3Options

_ENVIRONMENT_PREFIX = "OUTBOX_"
_SECRETS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


class Settings(BaseModel):
    """One field per setting; the environment's `OUTBOX_<FIELD>` goes before config.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    root: str
    """`s3://bucket/prefix` or `file:///directory`."""
    key_template: str = DEFAULT_TEMPLATE
    version: str = "1"
    """Part of every fingerprint: raise it when equal input should give a new result."""
    endpoint_url: str | None = None
    """Of a store that speaks S3's API; AWS's own when absent."""
    region: str | None = None
    max_document_bytes: int = Field(default=100 << 20, gt=0)
    max_pending_results: int = Field(default=16, gt=0)
    """Results that may wait for upload; beyond them `predict` waits."""
    store_timeout_seconds: float = Field(default=60.0, gt=0)
    """For one store call with all its repetitions; then the request is answered 503."""
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
    """Baseten secrets by name; without them boto3's own chain finds credentials."""
    key_id, key, token = (_secret(secrets, name) for name in _SECRETS)
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
