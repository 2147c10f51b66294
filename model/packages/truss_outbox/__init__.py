"""Keep the outputs of any Truss in your own bucket.

What a Truss needs; everything else is private. `README.md`, beside this file, is the guide.
"""

import sys
from threading import RLock
from typing import TYPE_CHECKING, Any

from .once import keep_modules

if TYPE_CHECKING:
    from .contract.errors import InvalidInputError, OutboxError
    from .contract.manifest import Outputs
    from .serving.decorator.stored import stored
    from .serving.files.reference import File
    from .serving.isolation.running import run_isolated
    from .serving.outbox import Outbox, open_file
    from .serving.request import InferenceRequest
    from .serving.settings import settings_in
    from .serving.work import Work

__version__ = "0.2.0"
__all__ = [
    "File",
    "InferenceRequest",
    "InvalidInputError",
    "Outbox",
    "OutboxError",
    "Outputs",
    "Work",
    "open_file",
    "run_isolated",
    "settings_in",
    "stored",
]

_HOMES = {
    "File": "serving.files.reference",
    "InferenceRequest": "serving.request",
    "InvalidInputError": "contract.errors",
    "Outbox": "serving.outbox",
    "OutboxError": "contract.errors",
    "Outputs": "contract.manifest",
    "Work": "serving.work",
    "open_file": "serving.outbox",
    "run_isolated": "serving.isolation.running",
    "settings_in": "serving.settings",
    "stored": "serving.decorator.stored",
}

_one_at_a_time = RLock()
"""Threads that import different modules of one package at once can fail with Python's
`_DeadlockError`: importing `a.b` holds the lock of `a.b` while it waits for that of `a`."""


def __getattr__(name: str) -> Any:
    """Loads a name's module when it is first asked for: the companion needs the contract alone."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    with _one_at_a_time:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)


keep_modules(sys.modules[__name__])
