"""`python -m scripts.bench NAME` prints one measurement."""

import sys
from collections.abc import Callable

from .client import measure as client
from .documents import measure as documents
from .scale import growth
from .server import memory, ocr, slot, stand_in, stored
from .store import cold_start, interop
from .store import measure as store
from .store import memory as store_memory

_USAGE = """usage: python -m scripts.bench NAME

`client`, `documents` and `scale` take options, which --help tells; `stores` names of servers."""
_MEASURES: dict[str, Callable[..., str]] = {
    "client": client.measure,
    "cold-start": cold_start.measure,
    "documents": documents.measure,
    "memory": memory.measure,
    "ocr": ocr.measure,
    "scale": growth.measure,
    "slot": slot.measure,
    "stand-in": stand_in.measure,
    "store": store.measure,
    "store-memory": store_memory.measure,
    "stored": stored.measure,
    "stores": interop.measure,
}


def main(arguments: list[str]) -> None:
    name, *rest = arguments or [""]
    if name not in _MEASURES or (rest and name not in {"client", "documents", "scale", "stores"}):
        about = [f"{one:<13} {_first_line(_MEASURES[one])}\n" for one in _MEASURES]
        raise SystemExit(f"{_USAGE}\n\n{''.join(about)}")
    sys.stdout.write(_MEASURES[name](*rest))


def _first_line(measure: Callable[..., str]) -> str:
    """What its module is for."""
    return (sys.modules[measure.__module__].__doc__ or "").partition("\n")[0]


if __name__ == "__main__":
    main(sys.argv[1:])
