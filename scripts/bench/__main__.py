"""`python -m scripts.bench NAME` prints one measurement."""

import sys
from collections.abc import Callable

from .client import measure as client
from .server import memory, ocr, slot, stand_in
from .store import cold_start
from .store import measure as store
from .store import memory as store_memory

USAGE = """usage: python -m scripts.bench NAME

client        fetching and uploading, against s5cmd, rclone and aws; --quick, or some names
cold-start    seconds that opening a store adds to a model's start, and bare SDK imports
memory        peak memory of the Truss server for a short document and a long one
ocr           seconds per page through the model and through bare rapidocr
slot          predict's throughput while a slow bucket takes the results, against none
stand-in      requests per second through the stand-in's queue, against its Truss server alone
store         wall time and requests of storing a result, against the bare S3 and GCS clients
store-memory  peak memory of storing a small file and a large one in S3
"""


_MEASURES: dict[str, Callable[[list[str]], str]] = {
    "client": client.measure,
    "cold-start": lambda _: cold_start.measure(),
    "memory": lambda _: memory.measure(),
    "ocr": lambda _: ocr.measure(),
    "slot": lambda _: slot.measure(),
    "stand-in": lambda _: stand_in.measure(),
    "store": lambda _: store.measure(),
    "store-memory": lambda _: store_memory.measure(),
}


def main(arguments: list[str]) -> None:
    name, *rest = arguments or [""]
    if name not in _MEASURES or (rest and name != "client"):
        raise SystemExit(USAGE)
    sys.stdout.write(_MEASURES[name](rest))


if __name__ == "__main__":
    main(sys.argv[1:])
