"""Keep the outputs of any Truss in your own bucket.

What an inference and the Truss around it need; everything else is private. `README.md`, beside
this file, is the guide.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .contract.errors import InvalidInputError, OutboxError
    from .contract.manifest import Outputs
    from .serving.outbox import Outbox

__all__ = ["InvalidInputError", "Outbox", "OutboxError", "Outputs"]

_HOMES = {
    "InvalidInputError": "contract.errors",
    "Outbox": "serving.outbox",
    "OutboxError": "contract.errors",
    "Outputs": "contract.manifest",
}


def __getattr__(name: str) -> Any:
    """Loads a name's module when it is first asked for: the companion needs the contract alone."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
