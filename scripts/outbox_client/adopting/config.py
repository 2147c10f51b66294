"""A Truss's config.yaml: what it says of the Truss, and what it lacks to store results."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement

from truss_outbox.contract.config_section import outbox_section
from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.root import Root

from . import yaml_edit
from .adoption import ByHand, FileChange
from .requirements import missing_requirements, unsuitable_requirements
from .text_file import read_text

CONFIG = "config.yaml"
OLDEST_PYTHON = (3, 11)
SECRETS = {"s3": ("aws_access_key_id", "aws_secret_access_key"), "gs": ("gcp_service_account",)}
"""Of each cloud; the library asks for them by these names."""

_KEYLESS = {"s3": "aws_role_arn", "gs": "gcp_workload_identity_provider"}
_ENGINES = ("trt_llm", "bis_llm")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrussConfig:
    """A config.yaml as text, and what Truss reads out of it."""

    directory: Path
    text: str
    values: Mapping[str, Any]

    @property
    def model_file(self) -> str:
        """Below the Truss."""
        folder = self._setting("model_module_dir", "model")
        return f"{folder}/{self._setting('model_class_filename', 'model.py')}"

    @property
    def model_class(self) -> str:
        return self._setting("model_class_name", "Model")

    @property
    def packages_folders(self) -> list[str]:
        """Where packages may lie, its own folder first."""
        own = self._setting("bundled_packages_dir", "packages")
        return [own, *map(str, self.values.get("external_package_dirs") or ())]

    @property
    def requirements_file(self) -> str | None:
        return self.values.get("requirements_file")

    @property
    def requirements(self) -> list[str]:
        return list(map(str, self.values.get("requirements") or ()))

    @property
    def section(self) -> Mapping[str, Any]:
        """Raises ConfigurationError where it is no mapping."""
        return outbox_section(self.values)

    def _setting(self, name: str, default: str) -> str:
        return str(self.values.get(name) or default)


def read_config(directory: Path) -> TrussConfig:
    """Raises ConfigurationError where the folder is no Truss."""
    path = directory / CONFIG
    if not path.is_file():
        raise ConfigurationError(
            str(directory), f"holds no {CONFIG}: name the folder of a Truss (a Chain has none)"
        )
    text = read_text(path, CONFIG)
    try:
        values = yaml_edit.parse(text)
    except (yaml.YAMLError, ValueError) as error:  # the latter of a date that is none
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        raise ConfigurationError(CONFIG, f"{place}is no YAML") from error
    if not isinstance(values, dict | None):
        raise ConfigurationError(CONFIG, "is no mapping of settings to values")
    return TrussConfig(directory=directory, text=text, values=values or {})


def check_shape(config: TrussConfig) -> None:
    """Raises ConfigurationError with the reason why there is nothing to decorate."""
    if config.values.get("docker_server"):
        raise ConfigurationError(
            "docker_server",
            "the image brings its own HTTP server, and Truss runs no model.py in which results"
            " could be stored: put a Truss with a predict before it",
        )
    if (config.directory / config.model_file).is_file():
        return
    if engine := next((name for name in _ENGINES if config.values.get(name)), None):
        raise ConfigurationError(
            engine,
            f"Baseten's engine answers the requests, and there is no {config.model_file} whose"
            " results could be stored: write one around the engine, or call it from another Truss",
        )
    image = "base_image: the image serves by itself; " if config.values.get("base_image") else ""
    raise ConfigurationError(
        config.model_file,
        f"{image}there is no such file, so no class whose results could be stored",
    )


def is_keyless(section: Mapping[str, Any], scheme: str) -> bool:
    """Whether the settings name a role to take, so that no secret is needed."""
    return bool(section.get(_KEYLESS.get(scheme, "")))


def needed_schemes(config: TrussConfig, root: Root) -> set[str]:
    """Of the root, and of the further places that the model reads. Raises ConfigurationError."""
    places = config.section.get("input_roots") or ()
    return {
        root.scheme,
        *(Root.parse(str(place), setting="input_roots").scheme for place in places),
    }


def plan_config(
    config: TrussConfig,
    *,
    settings: Mapping[str, str],
    scheme: str,
    needed: Sequence[Requirement],
) -> Iterator[FileChange | ByHand]:
    """What is missing in config.yaml, and what only its author can change.

    `settings` go into the section, in place of other values; `needed` into the list of
    requirements, if there is no file of them.
    """
    own = [] if config.requirements_file else needed
    yield from _unsuitable_python(config)
    yield from unsuitable_requirements(config.requirements, own, where="requirements")
    section = {name: new for name, new in settings.items() if config.section.get(name) != new}
    additions = _without_empty(
        requirements=missing_requirements(config.requirements, own),
        secrets=dict.fromkeys(_missing_secrets(config, scheme)),
        model_metadata=_without_empty(outbox=section),
    )
    if additions:
        yield _with_additions(config, additions)


def _with_additions(config: TrussConfig, additions: Mapping[str, Any]) -> FileChange | ByHand:
    try:
        after = yaml_edit.add(config.text, additions)
    except yaml_edit.CannotEditError as error:
        lines = tuple(yaml_edit.block(additions))
        return ByHand(where=CONFIG, problem=f"{error}: add these", lines=lines)
    return FileChange(
        path=config.directory / CONFIG,
        name=CONFIG,
        before=config.text,
        after=after,
        added=(
            *(f"setting {name}" for name in outbox_section(additions)),
            *additions.get("requirements", ()),
            *(f"secret {name}" for name in additions.get("secrets", ())),
        ),
    )


def _missing_secrets(config: TrussConfig, scheme: str) -> list[str]:
    declared = config.values.get("secrets") or {}
    wanted = () if is_keyless(config.section, scheme) else SECRETS.get(scheme, ())
    return [name for name in wanted if name not in declared]


def _unsuitable_python(config: TrussConfig) -> Iterator[ByHand]:
    written = str(config.values.get("python_version") or "")
    version = written.removeprefix("py").replace(".", "")
    if version.isdigit() and (int(version[0]), int(version[1:] or 0)) < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        problem = f"{written} is too old: the library needs Python {oldest} or newer"
        yield ByHand(where="python_version", problem=problem, lines=("python_version: py313",))


def _without_empty(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
