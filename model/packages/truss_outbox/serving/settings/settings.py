"""What the deployment decides: `model_metadata.outbox` of config.yaml, secrets, environment."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, JsonValue, ValidationError

from ...contract import KeyTemplate, ModelInfo
from ...contract.errors import ConfigurationError
from ...contract.keys import DEFAULT_TEMPLATE
from ..files.addresses import parse_hosts
from .gcs import GcsSettings
from .s3 import S3Settings

_ENVIRONMENT_PREFIX = "OUTBOX_"


def _places(value: Any) -> Any:
    return tuple(filter(None, re.split(r"[\s,]+", value))) if isinstance(value, str) else value


class Settings(S3Settings, GcsSettings):
    """One field per setting; the environment's `OUTBOX_<FIELD>` goes before config.yaml."""

    root: str
    """`s3://bucket/prefix`, `gs://bucket/prefix` or `file:///directory`."""
    key_template: str = DEFAULT_TEMPLATE
    version: str = "1"
    """Part of every fingerprint: raise it when equal input should give a new result."""
    max_document_bytes: int = Field(default=100 << 20, gt=0)
    input_roots: Annotated[tuple[str, ...], BeforeValidator(_places)] = ()
    """Further places (`s3://bucket/archive`) whose objects `document.input` may name; read only."""
    url_hosts: Annotated[tuple[str, ...], BeforeValidator(parse_hosts)] = ()
    """Whose https addresses a document may have: names, or `*.example.com`. None: off."""
    url_timeout_seconds: float = Field(default=60.0, gt=0)
    """For fetching one such document, redirects and all."""
    max_pending_results: int = Field(default=16, gt=0)
    """Results that may wait for upload; beyond them `predict` waits."""
    allow_unsafe_commit: bool = False
    """Take a store without conditional writes, where results can overwrite each other."""
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


def model_info(
    settings: Settings, config: Mapping[str, Any], environment: Mapping[str, str] | None
) -> ModelInfo:
    return ModelInfo(
        name=config.get("model_name") or "model",
        version=settings.version,
        environment=(environment or {}).get("name"),
    )
