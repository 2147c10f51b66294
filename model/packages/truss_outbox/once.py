"""One copy of the library in a process, also where a hot reload would import it anew.

Truss's hot reload forgets the modules of a changed Truss and imports them again, but keeps the
model that it has loaded: its results would be of classes that the new code does not know.
"""

import sys
from types import ModuleType

_KEPT = "_truss_outbox_kept"
"""A module of no file, which no reload forgets."""


def keep_modules(package: ModuleType) -> None:
    """At the package's first import remember it; at another, put the first in its place."""
    kept = sys.modules.get(_KEPT)
    if kept is None:
        kept = sys.modules[_KEPT] = ModuleType(_KEPT)
    first = kept.__dict__.setdefault(package.__name__, package)
    if first is not package:
        _restore(first)


def _restore(module: ModuleType) -> None:
    sys.modules[module.__name__] = module
    for name, inner in list(vars(module).items()):
        if isinstance(inner, ModuleType) and inner.__name__ == f"{module.__name__}.{name}":
            _restore(inner)
