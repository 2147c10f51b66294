"""Settings as every side finds them: `model_metadata.outbox` of config.yaml, and the environment.

The model, the companion and the stand-in read the same names in the same order here, so that none
of them stores, or looks for results, where the others do not.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from .errors import ConfigurationError


def outbox_section(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The section `model_metadata.outbox` of a parsed config.yaml; empty where there is none.

    Raises ConfigurationError where it, or what it lies in, is not a mapping.
    """
    section, path = config, ""
    for name in ("model_metadata", "outbox"):
        path = f"{path}.{name}".removeprefix(".")
        # A key without a value (`outbox:`) is None in YAML, and sets nothing.
        inner = section.get(name) or {}
        if not isinstance(inner, Mapping):
            raise ConfigurationError(path, "must be a mapping of settings to values")
        section = inner
    return section


def outbox_setting_values(
    config: Mapping[str, Any], environ: Mapping[str, str], names: Iterable[str]
) -> dict[str, Any]:
    """Of the settings `names`, the value of each that is set: `environment_name`, else the section.

    Values of the environment are text. Nothing, and an empty text, mean that it is not set.
    Raises ConfigurationError like `outbox_section`.
    """
    section = outbox_section(config)
    values = {name: environ.get(environment_name(name)) or section.get(name) for name in names}
    return {name: value for name, value in values.items() if value is not None and value != ""}


def environment_name(setting: str) -> str:
    """The variable that goes before config.yaml: `OUTBOX_ROOT` for `root`."""
    return f"OUTBOX_{setting.upper()}"


def set_by(setting: str, environ: Mapping[str, str]) -> str:
    """For errors: where the value of a setting that is set comes from."""
    variable = environment_name(setting)
    return variable if environ.get(variable) else f"{setting} in config.yaml"
