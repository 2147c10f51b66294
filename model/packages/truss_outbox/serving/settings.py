"""What the deployment decides: `model_metadata.outbox` of config.yaml, environment, secrets.

A store's own settings are declared beside the store (`stores.settings`, `s3.options`,
`gcs.options`); here they become one flat list with the library's.
"""

import dataclasses
import difflib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, TypeAdapter, ValidationError

from ..contract.config_section import (
    environment_name,
    outbox_section,
    outbox_setting_values,
    set_by,
)
from ..contract.errors import ConfigurationError
from ..contract.keys import DEFAULT_TEMPLATE, KeyTemplate
from ..contract.names import check_artifact_names
from ..contract.root import Root
from ..stores import GcsOptions, GcsSettings, S3Options, S3Settings
from .files.addresses import parse_hosts

_RENAMED = {
    f"{store}_{name}": f"store_{name}"
    for store in ("gcs", "s3")
    for name in ("connect_timeout_seconds", "read_timeout_seconds", "max_connections")
}

_DEFAULT_TEMPLATE = KeyTemplate.parse(DEFAULT_TEMPLATE)
_NO_SECRET = "***"  # noqa: S105 - what Truss Chains writes as the default of every secret
_TOKEN_FILE = "B10_OIDC_TOKEN_PATH"  # noqa: S105 - the variable in which Baseten names the file


def _root(value: Any) -> Root:
    return Root.parse(str(value))


def _template(value: Any) -> KeyTemplate:
    return KeyTemplate.parse(str(value))


def _input_roots(value: Any) -> Any:
    places = re.split(r"[\s,]+", value) if isinstance(value, str) else value
    if not isinstance(places, list | tuple):
        return places  # for pydantic to refuse
    return tuple(Root.parse(str(place), setting="input_roots") for place in places if place)


def _artifact_name(name: str) -> str:
    check_artifact_names([name] if name else [])
    return name


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


@dataclass(frozen=True, kw_only=True)
class OutboxSettings(S3Settings, GcsSettings):
    """One field per setting; the environment's `OUTBOX_<FIELD>` goes before config.yaml."""

    root: Annotated[Root, BeforeValidator(_root)]
    """`s3://bucket/prefix`, `gs://bucket/prefix` or `file:///directory`."""
    key_template: Annotated[KeyTemplate, BeforeValidator(_template)] = _DEFAULT_TEMPLATE
    version: str = "1"
    """Part of every fingerprint: raise it when equal input should give a new result."""
    store: Literal["asked", "always"] = "asked"
    """Which requests `@stored` stores: those that carry metadata, or all."""
    metadata_field: Annotated[str, Field(min_length=1)] = "metadata"
    """The input's field that asks for it; another name where the model has one of that name."""
    stream_artifact: Annotated[str, AfterValidator(_artifact_name)] = ""
    """What a stream is stored as; `stream.txt` or `stream.bin` where nothing is said."""
    max_inference_seconds: Annotated[float, Field(gt=0)] = 3600
    """After this an inference counts as failed. Baseten's own limit is an hour."""
    max_document_bytes: Annotated[int, Field(gt=0)] = 100 << 20
    """Of one file in a request, and of an input that it names."""
    input_roots: Annotated[tuple[Root, ...], BeforeValidator(_input_roots)] = ()
    """Further places (`s3://bucket/archive`) whose objects a file's `input` may name; read only."""
    url_hosts: Annotated[tuple[str, ...], BeforeValidator(parse_hosts)] = ()
    """Whose https addresses a file may have: names, or `*.example.com`. None: off."""
    url_timeout_seconds: Annotated[float, Field(gt=0)] = 60
    """For fetching one such file, redirects and all."""
    max_pending_results: Annotated[int, Field(gt=0)] = 16
    """Results that may wait for upload; beyond them `predict` waits."""
    allow_unsafe_commit: bool = False
    """Take a store without conditional writes, where results can overwrite each other."""
    inference: Annotated[Mapping[str, JsonValue], BeforeValidator(_json)] = field(
        default_factory=dict
    )
    """Passed on to the inference as it is; JSON in the environment."""


SETTINGS = tuple(setting.name for setting in dataclasses.fields(OutboxSettings))
_PARSER = TypeAdapter(OutboxSettings)


def read_settings(
    config: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> OutboxSettings:
    """Raises ConfigurationError, which names the setting."""
    section = outbox_section(config)
    for name in section:
        _check_name(name)
    for old, new in _RENAMED.items():
        # Not every unknown OUTBOX_ variable is wrong: the companion, and others, have their own.
        if environ.get(environment_name(old)):
            problem = f"this setting is called {environment_name(new)} now"
            raise ConfigurationError(environment_name(old), problem)
    try:
        return _PARSER.validate_python(outbox_setting_values(config, environ, SETTINGS))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
    raised = first.get("ctx", {}).get("error")
    if isinstance(raised, ConfigurationError):
        raise raised
    raise ConfigurationError(
        ".".join(["model_metadata.outbox", *map(str, first["loc"])]),
        first["msg"].removeprefix("Value error, "),
    )


def settings_in(environ: Mapping[str, str]) -> dict[str, str]:
    """Of the environment's variables those that are settings: to be passed on to a deployment."""
    names = map(environment_name, SETTINGS)
    return {name: environ[name] for name in names if environ.get(name)}


def s3_options(settings: OutboxSettings, secrets: Mapping[str, str]) -> S3Options:
    """A role where one is set, else Baseten secrets by name, else boto3's own chain."""
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    key_id, key, token = (
        None if settings.aws_role_arn else _secret(secrets, name) for name in names
    )
    if (key_id is None) != (key is None):
        raise ConfigurationError(
            "secrets", "aws_access_key_id and aws_secret_access_key come together or not at all"
        )
    return S3Options(
        **_values(S3Settings, settings),
        access_key_id=key_id,
        secret_access_key=key,
        session_token=token,
        oidc_token_file=_token_file(_TOKEN_FILE, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        endpoint_setting=set_by("endpoint_url", os.environ),
    )


def gcs_options(settings: OutboxSettings, secrets: Mapping[str, str]) -> GcsOptions:
    """A provider where one is set, else the Baseten secret, else google-auth's own chain."""
    provider = settings.gcp_workload_identity_provider
    return GcsOptions(
        **_values(GcsSettings, settings),
        service_account=None if provider else _secret(secrets, "gcp_service_account"),
        oidc_token_file=_token_file(_TOKEN_FILE),
        endpoint_setting=set_by("endpoint_url", os.environ),
    )


def _check_name(name: Any) -> None:
    if name in SETTINGS:
        return
    if new := _RENAMED.get(str(name)):
        problem = f"this setting is called {new} now"
    else:
        near = difflib.get_close_matches(str(name), SETTINGS, n=1)
        problem = "there is no such setting" + (f": do you mean {near[0]}?" if near else "")
    raise ConfigurationError(f"model_metadata.outbox.{name}", problem)


def _values(kind: type[S3Settings | GcsSettings], settings: OutboxSettings) -> dict[str, Any]:
    return {setting.name: getattr(settings, setting.name) for setting in dataclasses.fields(kind)}


def _token_file(*variables: str) -> Path | None:
    return next((Path(file) for name in variables if (file := os.environ.get(name))), None)


def _secret(secrets: Mapping[str, str], name: str) -> str | None:
    """None where there is no such Baseten secret, or nothing in it."""
    try:
        value = secrets[name].strip()
    except Exception as error:
        # Truss raises a class of its own, importable only inside its server.
        if type(error).__name__ in {"SecretNotFound", "KeyError"}:
            return None
        raise
    return None if value in {"", _NO_SECRET} else value
