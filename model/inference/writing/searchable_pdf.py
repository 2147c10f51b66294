"""searchable.pdf: the person's document, with invisible text where it had none."""

import math
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from truss_outbox import run_isolated
from truss_outbox.contract.errors import InvalidInputError

from ..files.documents import Opening, is_pdf
from ..reading.reading import POINTS_PER_INCH, Line, Page, Quad
from ..reading.sources import turned_quad
from ..settings import InferenceSettings
from .assembly import assemble
from .invisible_font import Codes
from .invisible_text import text_content
from .plan import PdfPlan, PlannedPage

_MAX_BYTES = 2 << 30  # of the PDF
_PICTURES = (
    "searchable.pdf has pictures of the pages: the document is damaged, and could not be kept as"
    " it is"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """The document that artifacts are made of; `warn` is told what was not done as it should."""

    opening: Opening
    settings: InferenceSettings
    warn: Callable[[str], None]


@contextmanager
def searchable_pdf(path: Path, source: Source) -> Iterator[Callable[[Page], None]]:
    """The pages that were asked for, as they are in the document. An encrypted one is decrypted.

    What is to be added waits in a file beside `path` until the last page was read.
    """
    codes = Codes()
    planned = path.with_name(f"{path.name}.pages")
    with planned.open("w", encoding="ascii") as file:
        yield lambda page: _plan(file, page, codes)
    plan = PdfPlan(
        opening=source.opening,
        pages=planned,
        characters=tuple(codes.characters()),
        pdf=path,
        as_pictures=False,
    )
    _assemble(plan, source)
    planned.unlink()


def _assemble(plan: PdfPlan, source: Source) -> None:
    try:
        _run(plan, source.settings)
    except InvalidInputError:
        if not is_pdf(plan.opening.path):
            raise
        # PDFium, which has rendered the document, forgives more than qpdf does.
        source.warn(_PICTURES)
        _run(replace(plan, as_pictures=True), source.settings)


def _run(plan: PdfPlan, settings: InferenceSettings) -> None:
    values = run_isolated(
        assemble,
        plan,
        field="document",
        seconds=settings.max_document_seconds,
        step_seconds=settings.max_page_seconds,
        memory_bytes=settings.max_decoding_bytes,
        file_bytes=_MAX_BYTES,
    )
    with closing(values):
        for _ in values:
            pass


def _plan(file: TextIO, page: Page, codes: Codes) -> None:
    scale = POINTS_PER_INCH / page.image.dpi
    whole = text_content(page.lines, codes, height=page.height, scale=scale)
    missing = whole
    if page.image.layer is not None:
        lines = _missing(page) if page.text_source == "ocr" else []
        missing = text_content(lines, codes, height=page.height, scale=scale)
    planned = PlannedPage(
        number=page.number,
        rotation=page.rotation,
        size=page.image.size,
        view=(page.width * scale, page.height * scale),
        missing=missing,
        whole=whole,
        was_read=page.text_source == "ocr",
        is_damaged=bool(page.image.warnings),
    )
    file.write(planned.to_json() + "\n")


def _missing(page: Page) -> list[Line]:
    """What was read and is not in the page already, as text that is seen."""
    layer = [word.quad for line in page.image.layer or () for word in line.words]
    size = (page.height, page.width) if page.rotation % 180 else (page.width, page.height)
    boxes = [_box(turned_quad(quad, page.rotation, size)) for quad in layer]

    def is_there(quad: Quad) -> bool:
        x, y = math.fsum(x for x, _ in quad) / 4, math.fsum(y for _, y in quad) / 4
        return any(left < x < right and top < y < bottom for left, top, right, bottom in boxes)

    kept = (
        replace(line, words=[word for word in line.words if not is_there(word.quad)])
        for line in page.lines
    )
    return [line for line in kept if line.words]


def _box(quad: Quad) -> tuple[float, float, float, float]:
    xs, ys = [x for x, _ in quad], [y for _, y in quad]
    return min(xs), min(ys), max(xs), max(ys)
