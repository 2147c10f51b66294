"""`python -m scripts.bench NAME` prints one measurement."""

import sys

from scripts.bench import memory, ocr, store_memory, store_opening

USAGE = """usage: python -m scripts.bench NAME

ocr      seconds per page through the model and through bare rapidocr
memory   peak memory of the Truss server for a short document and a long one
store-memory   peak memory of storing a small file and a large one in S3
store-opening  seconds to import and open the S3 store, beside the bare SDK
"""


def main(arguments: list[str]) -> None:
    match arguments:
        case ["ocr"]:
            report = ocr.measure()
        case ["memory"]:
            report = memory.measure()
        case ["store-memory"]:
            report = store_memory.measure()
        case ["store-opening"]:
            report = store_opening.measure()
        case _:
            raise SystemExit(USAGE)
    sys.stdout.write(report)


if __name__ == "__main__":
    main(sys.argv[1:])
