"""`python -m scripts.bench NAME` prints one measurement."""

import sys

from scripts.bench import cold_start, memory, ocr, slot, stand_in, store, store_memory

USAGE = """usage: python -m scripts.bench NAME

cold-start    seconds that opening a store adds to a model's start, and bare SDK imports
memory        peak memory of the Truss server for a short document and a long one
ocr           seconds per page through the model and through bare rapidocr
slot          predict's throughput while a slow bucket takes the results, against none
stand-in      requests per second through the stand-in's queue, against its Truss server alone
store         wall time and requests of storing a result, against bare boto3
store-memory  peak memory of storing a small file and a large one in S3
"""


def main(arguments: list[str]) -> None:
    match arguments:
        case ["ocr"]:
            report = ocr.measure()
        case ["cold-start"]:
            report = cold_start.measure()
        case ["memory"]:
            report = memory.measure()
        case ["store-memory"]:
            report = store_memory.measure()
        case ["store"]:
            report = store.measure()
        case ["stand-in"]:
            report = stand_in.measure()
        case ["slot"]:
            report = slot.measure()
        case _:
            raise SystemExit(USAGE)
    sys.stdout.write(report)


if __name__ == "__main__":
    main(sys.argv[1:])
