"""What of a Truss's config.yaml holds on this machine, and what does not."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from ..errors import SecretsError
from .layout import TrussLayout

_PREFIX = "TRUSS_SECRET_"
_PLACEHOLDER = "***"  # truss_chains' for a secret that has no default

_NOT_HONOURED = {
    "resources": "the model has all of this machine",
    "base_image": "no image is built",
    "system_packages": "install them on this machine",
    "build_commands": "they are not run",
    "build": "no image is built",
    "external_data": "it is not downloaded; put it into the data folder",
    "model_cache": "nothing is downloaded before the start",
    "weights": "nothing is downloaded before the start",
    "bdn": "nothing is mounted",
    "training_checkpoints": "nothing is downloaded before the start",
    "bis_llm": "it is Baseten's alone",
    "live_reload": "outbox serve --reload does the like",
    "runtime.health_checks": "a server is started again when it has ended",
    "runtime.transport": "requests come by HTTP alone",
    "runtime.is_websocket_endpoint": "requests come by HTTP alone",
    "runtime.oidc": "there is no token; a key pair or a profile serves",
    "runtime.remote_ssh": "there is no container to enter",
    "runtime.egress_restrictions": "the model reaches what this machine reaches",
    "runtime.truss_server_version_override": "the server is that of the installed Truss",
}


def not_honoured(layout: TrussLayout) -> list[str]:
    """Each with the reason, of what its author has set there."""
    return [f"{name}: {why}" for name, why in _NOT_HONOURED.items() if name in layout.changed]


def read_secrets(path: Path) -> dict[str, str]:
    """Names and values, in YAML or JSON. Raises SecretsError, which quotes nothing of the file."""
    try:
        secrets = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise SecretsError(path, getattr(error, "strerror", None) or "is no text") from error
    except yaml.YAMLError:
        raise SecretsError(path, "is neither YAML nor JSON: write NAME: VALUE lines") from None
    if not isinstance(secrets, dict):
        raise SecretsError(path, "holds no names: write NAME: VALUE lines")
    for name, value in secrets.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise SecretsError(path, f"{name}: must be a text; quote it")
    return secrets


def environment_of(secrets: Mapping[str, str]) -> dict[str, str]:
    """Where the Truss server looks them up."""
    return {f"{_PREFIX}{name}": value for name, value in secrets.items()}


def about_secrets(
    layout: TrussLayout, environment: Mapping[str, str], given: Mapping[str, str]
) -> Iterator[str]:
    """Which of them the model will not find: it finds those that its config.yaml declares.

    `environment` is the model's, `given` what the file of secrets holds.
    """
    declared: Mapping[str, str | None] = layout.changed.get("secrets", {})
    empty = [
        name
        for name, default in declared.items()
        if default in {None, "", _PLACEHOLDER} and f"{_PREFIX}{name}" not in environment
    ]
    if empty:
        yield f"secrets: no value here for {', '.join(empty)}; --secrets FILE brings them"
    if unknown := sorted(given.keys() - declared.keys()):
        yield f"secrets: not declared, so that no model can read them: {', '.join(unknown)}"
