"""The artifacts of a request, each written page by page.

A writer is a context manager around a function that takes the next page: what a file needs at its
beginning and end is written on entering and leaving, and nothing is kept of a page.
"""

import csv
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..reading.reading import Block, Line, Page, Quad
from ..request import ArtifactName
from .searchable_pdf import Source, searchable_pdf

Writer = Callable[[Page], None]

_CSV_COLUMNS = ["page", "line", "text", "confidence"]
_FORMULA = re.compile(
    r"""(?:^|[;\t\r\n])(?=[\s"'\u00a0\u200b-\u200f\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n])"""
)
_CORNERS = ["x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4"]


def open_writer(name: ArtifactName, path: Path, source: Source) -> AbstractContextManager[Writer]:
    """The writer of the artifact `name` at `path`, a directory in the case of `pages`."""
    match name:
        case "document.json":
            return document_json(path)
        case "text.txt":
            return text(path)
        case "lines.csv":
            return lines_csv(path)
        case "searchable.pdf":
            return searchable_pdf(path, source)
        case "pages":
            return page_images(path)


@contextmanager
def document_json(path: Path) -> Iterator[Writer]:
    """Everything that is known, one page to a line of the file. Quads are in pixels."""
    with path.open("w", encoding="utf-8") as file:
        # By hand: json.dump would want all pages in memory at once.
        file.write('{"schema": "outbox.document/v1", "pages": [')
        separator = "\n"

        def write(page: Page) -> None:
            nonlocal separator
            file.write(separator + json.dumps(_page_record(page), ensure_ascii=False))
            separator = ",\n"

        yield write
        file.write("\n]}\n")


@contextmanager
def text(path: Path) -> Iterator[Writer]:
    """A line of the page, or a row of a table with tabs between its cells, to a line of the file;
    a form feed between pages."""
    with path.open("w", encoding="utf-8") as file:
        separator = ""

        def write(page: Page) -> None:
            nonlocal separator
            file.write(separator)
            file.writelines(_text_row(row) for block in page.blocks for row in block.rows)
            separator = "\f"

        yield write


@contextmanager
def lines_csv(path: Path) -> Iterator[Writer]:
    """One line to a row, with the corners of its quad in pixels. A spreadsheet shows each text as
    it is, and computes none."""
    # The mark at the beginning tells a spreadsheet that this is UTF-8.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_CSV_COLUMNS + _CORNERS)

        def write(page: Page) -> None:
            for number, line in enumerate(page.lines, start=1):
                corners = [coordinate for point in _rounded(line.quad) for coordinate in point]
                shown = without_formula(line.text)
                rows.writerow([page.number, number, shown, round(line.confidence, 4), *corners])

        yield write


@contextmanager
def page_images(directory: Path) -> Iterator[Writer]:
    """The upright pages with a box around each line: green is certain, red is not."""
    directory.mkdir()

    def write(page: Page) -> None:
        picture = page.image.pixels.copy()
        for line in page.lines:
            corners = np.array(line.quad).round().astype(np.int32)
            cv2.polylines(
                picture,
                [corners],
                isClosed=True,
                color=_colour(line.confidence),
                thickness=2,
                lineType=cv2.LINE_AA,
            )
        _, png = cv2.imencode(".png", picture)
        (directory / f"page-{page.number:04}.png").write_bytes(png.tobytes())

    yield write


def without_formula(text: str) -> str:
    """With an apostrophe before what would be a formula, as a cell of a spreadsheet.

    Also after a semicolon or a tab, which some spreadsheets take to end a cell whatever is quoted.
    See https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return _FORMULA.sub(r"\g<0>'", text)


def _text_row(row: Sequence[Line | None]) -> str:
    return "\t".join(line.text if line else "" for line in row) + "\n"


def _colour(confidence: float) -> tuple[int, int, int]:
    """From red at 0.5 and below through yellow to green at 1, as blue, green, red."""
    certainty = min(max(confidence * 2 - 1, 0.0), 1.0)
    return 0, round(200 * min(certainty * 2, 1.0)), round(230 * min(2 - certainty * 2, 1.0))


def _page_record(page: Page) -> dict[str, Any]:
    return {
        "page": page.number,
        "width": page.width,
        "height": page.height,
        "dpi": round(page.image.dpi, 2),
        "dpi_source": page.image.dpi_source,
        "rotation": page.rotation,
        "text_source": page.text_source,
        "readable": page.readable,
        "warnings": list(page.warnings),
        "timings_ms": {
            "render": round(page.render_seconds * 1000, 1),
            "read": round(page.read_seconds * 1000, 1),
        },
        "lines": [_line_record(line) for line in page.lines],
        "blocks": _block_records(page.blocks),
    }


def _block_records(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """Rows of places in the page's `lines`, counted from 0; null for an empty cell."""
    places = itertools.count()
    return [
        {
            "kind": block.kind,
            "rows": [[next(places) if line else None for line in row] for row in block.rows],
        }
        for block in blocks
    ]


def _line_record(line: Line) -> dict[str, Any]:
    return {**_text_record(line), "words": [_text_record(word) for word in line.words]}


def _text_record(part: Any) -> dict[str, Any]:
    return {
        "text": part.text,
        "confidence": round(part.confidence, 4),
        "quad": _rounded(part.quad),
    }


def _rounded(quad: Quad) -> list[list[float]]:
    return [[round(x, 1), round(y, 1)] for x, y in quad]
