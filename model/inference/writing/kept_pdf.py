"""searchable.pdf of a PDF: its own pages, with the text that was read added to them."""

from collections.abc import Generator, Iterable

import pikepdf
from pikepdf import Name, Page, Pdf

from .hidden_text import remove_hidden_text
from .invisible_font import FONT_NAME, make_font
from .invisible_text import pdf_number
from .placing import view_matrix
from .plan import PdfPlan, PlannedPage

_SAME_SIZE = 2.0  # points
_OF_THE_DOCUMENT = (
    "/Lang",
    "/Metadata",
    "/OutputIntents",
    "/PageLayout",
    "/PageMode",
    "/ViewerPreferences",
)


class OtherPagesError(Exception):
    """qpdf sees other pages in the document than were rendered."""


def keep_pages(plan: PdfPlan) -> Generator[None, None, None]:
    """Write `plan.pdf`; yields after each page. Raises what pikepdf does, and OtherPagesError."""
    password = plan.opening.password or ""
    with Pdf.open(plan.opening.path, password=password) as document:
        pages = list(plan.read_pages())
        numbers = [page.number for page in pages]
        if numbers[-1] > len(document.pages):
            raise OtherPagesError
        if len(numbers) == len(document.pages):
            yield from _add_text(document, document.pages, plan, pages)
            _save(document, plan)
        else:
            with Pdf.new() as chosen:
                _choose(document, chosen, numbers)
                yield from _add_text(chosen, chosen.pages, plan, pages)
                _save(chosen, plan)


def _choose(document: Pdf, chosen: Pdf, numbers: list[int]) -> None:
    """Fill `chosen` with these pages alone, and with what belongs to them or to no page."""
    labels = [document.pages[number - 1].label for number in numbers]
    chosen.add_pages_from(document, pages=[number - 1 for number in numbers])
    for name in _OF_THE_DOCUMENT:
        if name in document.Root:
            value = document.Root[name]
            chosen.Root[name] = chosen.copy_foreign(value) if value.is_indirect else value
    if Name.Info in document.trailer:
        for key, value in document.docinfo.items():
            if isinstance(value, pikepdf.String):
                chosen.docinfo[key] = value
    if Name.PageLabels in document.Root:
        entries = [
            entry
            for place, label in enumerate(labels)
            for entry in (place, pikepdf.Dictionary(P=pikepdf.String(label)))
        ]
        chosen.Root.PageLabels = pikepdf.Dictionary(Nums=pikepdf.Array(entries))


def _add_text(
    pdf: Pdf, pages: Iterable[Page], plan: PdfPlan, planned: list[PlannedPage]
) -> Generator[None, None, None]:
    font = make_font(pdf, plan.characters) if plan.characters else None
    for page, one in zip(pages, planned, strict=True):
        box = _shown_box(page)
        rotation = int(page.rotation) % 360
        _check_size(page, box, rotation, one)
        if one.was_read:
            remove_hidden_text(pdf, page)
        if one.rotation:
            page.obj.Rotate = (rotation + one.rotation) % 360
        if one.missing and font is not None:
            matrix = view_matrix(one.view, box, rotation=(rotation + one.rotation) % 360)
            _show(pdf, page, font, " ".join(map(pdf_number, matrix)), one.missing)
        yield


def _show(pdf: Pdf, page: Page, font: pikepdf.Object, matrix: str, content: str) -> None:
    # Its own: another page may have the same dictionary, and another meaning of the name.
    resources = page.obj.get(Name.Resources, pikepdf.Dictionary())
    own = pikepdf.Dictionary({key: value for key, value in resources.items() if key != "/Font"})
    own.Font = pikepdf.Dictionary(dict(resources.get(Name.Font, pikepdf.Dictionary()).items()))
    own.Font[FONT_NAME] = font
    page.obj.Resources = own
    # First, where no other content has changed how text is drawn.
    page.contents_add(pdf.make_stream(f"q {matrix} cm\n{content}\nQ\n".encode()), prepend=True)


def _shown_box(page: Page) -> tuple[float, float, float, float]:
    """Left, bottom, right and top of what is seen of the page."""
    media, crop = _ordered(page.mediabox), _ordered(page.cropbox)
    both = (
        max(media[0], crop[0]),
        max(media[1], crop[1]),
        min(media[2], crop[2]),
        min(media[3], crop[3]),
    )
    return both if both[0] < both[2] and both[1] < both[3] else media


def _ordered(box: pikepdf.Object) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(side) for side in box.as_list())
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _check_size(
    page: Page, box: tuple[float, float, float, float], rotation: int, one: PlannedPage
) -> None:
    """That qpdf means the page that PDFium rendered: in a damaged document it may not."""
    unit = float(page.obj.get(Name.UserUnit, 1))
    width, height = (box[2] - box[0]) * unit, (box[3] - box[1]) * unit
    if (rotation + one.rotation) % 180:
        width, height = height, width
    across, down = one.size
    # PDFium may leave the unit out.
    for factor in (1.0, unit):
        if abs(width / factor - across) < _SAME_SIZE and abs(height / factor - down) < _SAME_SIZE:
            return
    raise OtherPagesError


def _save(pdf: Pdf, plan: PdfPlan) -> None:
    pdf.save(
        plan.pdf,
        encryption=False,
        object_stream_mode=pikepdf.ObjectStreamMode.generate,
    )
