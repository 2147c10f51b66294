"""The environment that a deployment serves, as Baseten says it now: promotion changes it."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MOUNTED = "/etc/b10_dynamic_config"
"""Where Baseten mounts what may change while a model runs (`dynamic_config_resolver` in Truss)."""


def current_environment(given: Mapping[str, Any] | None = None) -> str | None:
    """The name of the environment; of `given` (`{"name": …}`) where nothing is mounted.

    Truss tells only models with `setup_environment` of a change, and up to 30 seconds later.
    """
    resolver = sys.modules.get("_truss_shared.dynamic_config_resolver")
    directory = getattr(resolver, "DYNAMIC_CONFIG_MOUNT_DIR", _MOUNTED)
    try:
        text = Path(directory, "environment").read_text()
    except OSError:
        text = ""
    environment = json.loads(text) if text.strip() else given
    name = (environment or {}).get("name")
    return str(name) if name else None
