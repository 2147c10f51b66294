"""Where results are and where requests go: from options, environment and config.yaml."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from truss_outbox.contract.config_section import outbox_setting_values, set_by
from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.keys import DEFAULT_TEMPLATE, KeyTemplate
from truss_outbox.contract.root import Root
from truss_outbox.stores.s3.options import AddressingStyle

if TYPE_CHECKING:
    from .bucket.open_bucket import Connection

_SECTION_NAMES = (
    "root",
    "endpoint_url",
    "region",
    "s3_addressing_style",
    "s3_ca_bundle",
    "key_template",
    "version",
    "input_roots",
    "metadata_field",
    "s3_kms_key_id",
    "s3_tags",
)
_ID = re.compile(r"[A-Za-z0-9-]+\Z")


def option(default: Any, help_text: str, name: str | None = None, **more: Any) -> Any:
    """A dataclass's field that becomes an option, `--field-name` if it has no `name`.

    `more` goes to `typer.Option`: metavar, min, max, envvar. All that is metadata of the field.
    """
    metadata = {"help": help_text, **({"option": name} if name else {}), **more}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True, slots=True)
class RootOverrides:
    """Which bucket a job belongs to. None leaves a setting to environment, then config.yaml."""

    root: str | None = option(None, "The bucket: s3://bucket/prefix, gs://… or file:///…")
    config: Path | None = option(None, "The model's config.yaml, for what no option says.")


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionOverrides(RootOverrides):
    """In which part of its cloud that is."""

    region: str | None = option(None, "The bucket's region.")


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketOverrides(RegionOverrides):
    """How the bucket is reached."""

    endpoint_url: str | None = option(
        None, "Of a store that speaks S3's API; the cloud's own when absent."
    )
    workers: int | None = option(
        None,
        "Calls to the bucket at a time, at most; as many as get more done when absent.",
        min=1,
        max=1024,
        envvar="OUTBOX_WORKERS",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultOverrides(BucketOverrides):
    """Where a job's results are in it."""

    key_template: str | None = option(None, "The deployed model's key_template.")


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceOverrides:
    """Which model requests go to, and how the service is reached."""

    model_id: str | None = option(None, "The model on Baseten.")
    chain_id: str | None = option(None, "The Chain on Baseten, where it is no model.")
    environment: str | None = option(None, "Its environment: production, development or another.")
    deployment: str | None = option(
        None, "The id of a deployment, whatever its environment is.", metavar="ID"
    )
    regional: bool = option(False, "The environment is a regional one, with a host of its own.")
    base_url: str | None = option(None, "Of a stand-in for Baseten (`outbox serve`).")
    api_key_file: Path | None = option(
        None, "A file with the API key; else BASETEN_API_KEY is taken."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientSettings:
    """What the companion works with; `opening` makes the bucket, the service, the journal of it."""

    root: str | None
    """As `Root` writes it."""
    endpoint_url: str | None
    region: str | None
    template: KeyTemplate
    model_name: str | None
    """Of the checkout's config.yaml; None where there is none to read."""
    model_version: str | None
    model_id: str | None
    environment: str | None
    """None where a deployment is named, and nobody said which environment it serves."""
    base_url: str | None
    api_key: str | None = field(repr=False)
    home: Path
    workers: int | None = None
    """Calls to the bucket at a time, at most."""
    chain_id: str | None = None
    """Instead of `model_id`."""
    deployment: str | None = None
    """The id of the deployment that requests go to, instead of the environment."""
    is_regional: bool = False
    """Whether the environment has a host of its own."""
    input_roots: tuple[str, ...] = ()
    """The deployed model's: further roots below which files that it reads may be."""
    kms_key: str | None = None
    """The deployed model's, that S3 encrypts with."""
    sets_tags: bool = False
    """Whether the deployed model gives its objects tags."""
    metadata_field: str = "metadata"
    """The deployed model's: the field of its input that has a request's metadata."""
    s3_addressing_style: AddressingStyle | None = None
    s3_ca_bundle: Path | None = None
    endpoint_setting: str = "endpoint_url"
    """What named `endpoint_url`, for errors."""
    base_url_setting: str = "--base-url"
    """What named `base_url`, for errors."""

    @property
    def connection(self) -> "Connection":
        """How the bucket is reached, for `open_bucket`."""
        return {
            "endpoint_url": self.endpoint_url,
            "endpoint_setting": self.endpoint_setting,
            "region": self.region,
            "s3_addressing_style": self.s3_addressing_style,
            "s3_ca_bundle": self.s3_ca_bundle,
        }

    def require_root(self) -> str:
        """Raises ConfigurationError where no bucket is named."""
        if not self.root:
            raise ConfigurationError(
                "root",
                "no bucket is named; pass --root s3://bucket/prefix (or gs://…) or set OUTBOX_ROOT",
            )
        return self.root


def read_settings(
    *overrides: RootOverrides | ServiceOverrides, environ: Mapping[str, str] = os.environ
) -> ClientSettings:
    """Overrides go before the environment's OUTBOX_…, which goes before config.yaml.

    Without an override, config.yaml is the one in the current directory, if there is one. Raises
    ConfigurationError, which names the setting.
    """
    options = {
        one.name: value
        for some in overrides
        for one in fields(some)
        if (value := getattr(some, one.name))
    }
    config = _read_config(options.get("config"))
    own = {name: value for name, value in options.items() if name in _SECTION_NAMES}
    section = outbox_setting_values(config, environ, _SECTION_NAMES) | own
    model_id, chain_id = _model_or_chain(options, environ)
    deployment, environment, is_regional = _addressee(options, environ)
    return ClientSettings(
        root=str(Root.parse(str(section["root"]))) if "root" in section else None,
        endpoint_url=_text(section.get("endpoint_url")),
        endpoint_setting=(
            "--endpoint-url" if "endpoint_url" in own else set_by("endpoint_url", environ)
        ),
        region=_text(section.get("region")),
        s3_addressing_style=_style(section.get("s3_addressing_style")),
        s3_ca_bundle=Path(str(file)) if (file := section.get("s3_ca_bundle")) else None,
        template=KeyTemplate.parse(str(section.get("key_template", DEFAULT_TEMPLATE))),
        model_name=str(config.get("model_name") or "model") if config else None,
        model_version=_text(section.get("version")),
        model_id=model_id,
        chain_id=chain_id,
        deployment=deployment,
        environment=environment,
        is_regional=is_regional,
        base_url=options.get("base_url") or environ.get("OUTBOX_BASE_URL"),
        base_url_setting="--base-url" if "base_url" in options else "OUTBOX_BASE_URL",
        api_key=read_api_key(options.get("api_key_file"), environ),
        input_roots=_input_roots(section.get("input_roots")),
        kms_key=_text(section.get("s3_kms_key_id")),
        sets_tags=bool(section.get("s3_tags")),
        metadata_field=str(section.get("metadata_field", "metadata")),
        home=state_directory(environ),
        workers=options.get("workers"),
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _style(value: Any) -> AddressingStyle | None:
    if value is not None and value not in get_args(AddressingStyle):
        raise ConfigurationError("s3_addressing_style", "is auto, path or virtual")
    return cast("AddressingStyle | None", value)


def _model_or_chain(
    options: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[str | None, str | None]:
    """An option for the one goes before the environment's for the other."""
    named = (options.get("model_id"), options.get("chain_id"))
    if not any(named):
        named = (environ.get("OUTBOX_MODEL_ID"), environ.get("OUTBOX_CHAIN_ID"))
    if all(named):
        raise ConfigurationError(
            "chain_id",
            "a model is named too; name one: --model-id (OUTBOX_MODEL_ID) or"
            " --chain-id (OUTBOX_CHAIN_ID)",
        )
    for setting, value in zip(("model_id", "chain_id"), named, strict=True):
        # It becomes part of the host that the API key is sent to.
        if value and not _ID.match(value):
            raise ConfigurationError(setting, "may only hold letters, digits and hyphens")
    return named


def _addressee(
    options: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[str | None, str | None, bool]:
    """The deployment, the environment, and whether that is a regional one.

    An option for either goes before the environment variable for the other.
    """
    deployment = options.get("deployment")
    is_named = "environment" in options or "regional" in options
    if not deployment and not is_named:
        deployment = environ.get("OUTBOX_DEPLOYMENT")
    environment = options.get("environment") or environ.get("OUTBOX_ENVIRONMENT")
    is_regional = bool(options.get("regional") or environ.get("OUTBOX_REGIONAL"))
    if deployment:
        if "regional" in options:
            raise ConfigurationError("deployment", "and --regional exclude each other")
        if not _ID.match(deployment):
            raise ConfigurationError("deployment", "may only hold letters, digits and hyphens")
        return deployment, environment, False
    environment = environment or "production"
    # It becomes part of the host that the API key is sent to.
    if is_regional and not _ID.match(environment):
        raise ConfigurationError(
            "environment", "of a regional one, may only hold letters, digits and hyphens"
        )
    return None, environment, is_regional


def state_directory(environ: Mapping[str, str]) -> Path:
    """Where the journals are."""
    if home := environ.get("OUTBOX_HOME"):
        return Path(home)
    import platformdirs  # noqa: PLC0415  # 0.03 seconds

    return platformdirs.user_state_path("outbox")


def _read_config(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        path = Path("config.yaml")
        if not path.is_file():
            return {}
    import yaml  # noqa: PLC0415  # 0.02 seconds

    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError("config", f"{path} cannot be read as YAML") from error
    if not isinstance(config, dict | None):
        raise ConfigurationError("config", f"{path} is no mapping of settings to values")
    return config or {}


def _input_roots(value: Any) -> tuple[str, ...]:
    """Raises ConfigurationError. The environment has them in one text, by spaces or commas."""
    places = re.split(r"[\s,]+", value) if isinstance(value, str) else value or ()
    return tuple(str(Root.parse(str(place), setting="input_roots")) for place in places if place)


def read_api_key(path: Path | None, environ: Mapping[str, str]) -> str | None:
    """From the file, else from BASETEN_API_KEY. Raises ConfigurationError, without the key."""
    key = environ.get("BASETEN_API_KEY")
    if path is not None:
        try:
            key = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ConfigurationError("api_key_file", f"{path} cannot be read") from error
    if key is None or not key.strip():
        return None
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError("api_key", "holds characters that no API key has")
    return key
