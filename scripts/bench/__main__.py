"""`python -m scripts.bench NAME` prints one measurement."""

import sys

from scripts.bench import memory, ocr, slot, store

USAGE = """usage: python -m scripts.bench NAME

ocr      seconds per page through the model and through bare rapidocr
memory   peak memory of the Truss server for a short document and a long one
store    wall time and requests of storing a result, against bare boto3
slot     predict's throughput while a slow bucket takes the results, against none
"""


def main(arguments: list[str]) -> None:
    match arguments:
        case ["ocr"]:
            report = ocr.measure()
        case ["memory"]:
            report = memory.measure()
        case ["store"]:
            report = store.measure()
        case ["slot"]:
            report = slot.measure()
        case _:
            raise SystemExit(USAGE)
    sys.stdout.write(report)


if __name__ == "__main__":
    main(sys.argv[1:])
