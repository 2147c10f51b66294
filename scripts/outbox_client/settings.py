"""What the companion is told by options, environment and config.yaml. Read once."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from truss_outbox.contract import KeyTemplate
from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.keys import DEFAULT_TEMPLATE

_CHECKOUT = Path(__file__).resolve().parents[2]
_ID = re.compile(r"[A-Za-z0-9-]+\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Overrides:
    """What the command line says; None leaves it to the environment, then to config.yaml."""

    root: str | None = field(
        default=None, metadata={"help": "The bucket: s3://bucket/prefix, gs://… or file:///…"}
    )
    endpoint_url: str | None = field(
        default=None,
        metadata={"help": "Of a store that speaks S3's API; the cloud's own when absent."},
    )
    region: str | None = field(default=None, metadata={"help": "The bucket's region."})
    key_template: str | None = field(
        default=None, metadata={"help": "The deployed model's key_template."}
    )
    model_id: str | None = field(default=None, metadata={"help": "The model on Baseten."})
    chain_id: str | None = field(
        default=None, metadata={"help": "The Chain on Baseten, where it is no model."}
    )
    environment: str | None = field(
        default=None, metadata={"help": "Its environment: production, development or another."}
    )
    base_url: str | None = field(
        default=None, metadata={"help": "Of a stand-in for Baseten (`outbox serve`)."}
    )
    api_key_file: Path | None = field(
        default=None, metadata={"help": "A file with the API key; else BASETEN_API_KEY is taken."}
    )
    config: Path | None = field(
        default=None, metadata={"help": "The checkout's config.yaml, for what is not said here."}
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Where results are, and where requests go."""

    root: str | None
    endpoint_url: str | None
    region: str | None
    template: KeyTemplate
    model_name: str
    model_version: str | None
    model_id: str | None
    environment: str
    base_url: str | None
    api_key: str | None = field(repr=False)
    home: Path
    chain_id: str | None = None
    """Instead of `model_id`."""
    input_roots: tuple[str, ...] = ()
    """The deployed model's: further places in which documents may lie."""

    def require_root(self) -> str:
        """Raises ConfigurationError where no bucket is named."""
        if not self.root:
            raise ConfigurationError(
                "root",
                "no bucket is named; pass --root s3://bucket/prefix (or gs://…) or set OUTBOX_ROOT",
            )
        return self.root


_NOTHING = Overrides()


def read_settings(
    overrides: Overrides = _NOTHING, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Options go before the environment's OUTBOX_…, which goes before config.yaml.

    Raises ConfigurationError, which names the setting.
    """
    config = _read_config(overrides.config)
    section = _section(config)

    def setting(name: str, option: str | None) -> str | None:
        value = option or environ.get(f"OUTBOX_{name.upper()}") or section.get(name)
        return None if value is None else str(value)

    model_id, chain_id = _model_or_chain(overrides, environ)
    return Settings(
        root=setting("root", overrides.root),
        endpoint_url=setting("endpoint_url", overrides.endpoint_url),
        region=setting("region", overrides.region),
        template=KeyTemplate.parse(
            setting("key_template", overrides.key_template) or DEFAULT_TEMPLATE
        ),
        model_name=str(config.get("model_name") or "model"),
        model_version=setting("version", None),
        model_id=model_id,
        chain_id=chain_id,
        environment=overrides.environment or environ.get("OUTBOX_ENVIRONMENT") or "production",
        base_url=overrides.base_url or environ.get("OUTBOX_BASE_URL"),
        api_key=read_api_key(overrides.api_key_file, environ),
        input_roots=_input_roots(environ.get("OUTBOX_INPUT_ROOTS") or section.get("input_roots")),
        home=state_directory(environ),
    )


def _model_or_chain(
    overrides: Overrides, environ: Mapping[str, str]
) -> tuple[str | None, str | None]:
    """An option for the one goes before the environment's for the other."""
    named = (overrides.model_id, overrides.chain_id)
    if not any(named):
        named = (environ.get("OUTBOX_MODEL_ID"), environ.get("OUTBOX_CHAIN_ID"))
    if all(named):
        raise ConfigurationError(
            "chain_id",
            "a model is named too; name one: --model-id (OUTBOX_MODEL_ID) or"
            " --chain-id (OUTBOX_CHAIN_ID)",
        )
    for setting, value in zip(("model_id", "chain_id"), named, strict=True):
        if value and not _ID.match(value):
            raise ConfigurationError(setting, "may only hold letters, digits and hyphens")
    return named


def state_directory(environ: Mapping[str, str]) -> Path:
    """Where the journals are."""
    if home := environ.get("OUTBOX_HOME"):
        return Path(home)
    import platformdirs  # noqa: PLC0415  # 0.03 seconds

    return platformdirs.user_state_path("outbox")


def _read_config(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        candidates = (Path("config.yaml"), _CHECKOUT / "config.yaml")
        path = next((candidate for candidate in candidates if candidate.is_file()), None)
        if path is None:
            return {}
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError("config", f"{path} cannot be read as YAML") from error
    return config if isinstance(config, dict) else {}


def _input_roots(value: Any) -> tuple[str, ...]:
    places = re.split(r"[\s,]+", value) if isinstance(value, str) else value or ()
    return tuple(str(place).rstrip("/") for place in places if place)


def _section(config: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = config.get("model_metadata")
    section = metadata.get("outbox") if isinstance(metadata, dict) else None
    return section if isinstance(section, dict) else {}


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
