"""Pages of a PDF, rendered by PDFium. PDFium is not thread-safe: one document at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil, isfinite
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium

from truss_outbox.contract.errors import InvalidInputError

from ..reading.reading import POINTS_PER_INCH, PageImage, Pixels
from ..settings import PageLimits, TextMode
from .layer.text_layer import Layer, flattened, read_any_layer, read_layer

_TAIL_BYTES = 2048  # readers look for the end in the last 1,024, some writers pad it
_DAMAGED = "export it again, or open it in a viewer and print it to a new PDF"


class PdfPages:
    """Implements `Pages`."""

    def __init__(
        self, pdf: pypdfium2.PdfDocument, *, dpi: int, text: TextMode, limits: PageLimits
    ) -> None:
        self._pdf = pdf
        self._dpi = dpi
        self._text = text
        self._limits = limits

    def count(self, at_most: int) -> int:
        return min(len(self._pdf), at_most)

    def check(self, number: int) -> None:
        try:
            points = self._pdf.get_page_size(number - 1)
        except pypdfium2.PdfiumError as error:
            raise _damaged_page(number) from error
        if not all(isfinite(side) and side > 0 for side in points):
            raise _damaged_page(number)
        width, height = (ceil(side * self._dpi / POINTS_PER_INCH) for side in points)
        remedy = "send a lower dpi, or leave the page out"
        self._limits.check_size(number, (width, height), remedy=remedy)

    def page(self, number: int) -> PageImage:
        try:
            page = self._pdf.get_page(number - 1)
        except pypdfium2.PdfiumError as error:
            raise _damaged_page(number) from error
        try:
            pixels = self._render(page)
            layer = self._layer(number, page, pixels)
            return PageImage(
                pixels=pixels,
                size=page.get_size(),
                dpi=self._dpi,
                dpi_source="rendered",
                layer=layer.lines if layer else None,
                layer_is_whole=layer is None or layer.is_whole,
            )
        except pypdfium2.PdfiumError as error:
            raise _damaged_page(number) from error
        finally:
            page.close()

    def _render(self, page: pypdfium2.PdfPage) -> Pixels:
        bitmap = page.render(scale=self._dpi / POINTS_PER_INCH)
        try:
            # Copied: the bitmap's memory is PDFium's, and goes when it is closed.
            pixels: Pixels = bitmap.to_numpy().copy()
        finally:
            bitmap.close()
        return pixels

    def _layer(self, number: int, page: pypdfium2.PdfPage, pixels: Pixels) -> Layer | None:
        """Asked for after the page is rendered: what is filled into it becomes a part of it."""
        with flattened(self._pdf, number, page) as flat:
            if self._text == "layer":
                return read_any_layer(flat, (pixels.shape[1], pixels.shape[0]))
            return read_layer(flat, pixels)


@contextmanager
def open_pdf(
    path: Path, *, dpi: int, password: str | None, text: TextMode, limits: PageLimits
) -> Iterator[PdfPages]:
    """Raises InvalidInputError: cut off, damaged, encrypted with another password, no pages."""
    _check_end(path)
    try:
        pdf = pypdfium2.PdfDocument(path, password=password)
    except pypdfium2.PdfiumError as error:
        raise _not_opened(error, password) from error
    with pdf:
        _init_forms(pdf)
        if not len(pdf):
            raise InvalidInputError("document", f"is a PDF without a readable page; {_DAMAGED}")
        yield PdfPages(pdf, dpi=dpi, text=text, limits=limits)


def _init_forms(pdf: pypdfium2.PdfDocument) -> None:
    """Otherwise what was filled into a form is not rendered."""
    try:
        pdf.init_forms()
    except pypdfium2.PdfiumError as error:
        raise InvalidInputError("document", f"has a damaged form; {_DAMAGED}") from error


def _check_end(path: Path) -> None:
    """PDFium opens what is left of a PDF that was cut off; a page less is not the document."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _TAIL_BYTES, 0))
        tail = file.read()
    if b"%%EOF" not in tail:
        raise InvalidInputError(
            "document", "is a PDF whose end is missing; send the whole file (was it cut off?)"
        )


def _not_opened(error: pypdfium2.PdfiumError, password: str | None) -> InvalidInputError:
    match error.err_code:
        case pdfium.FPDF_ERR_PASSWORD if password is None:
            return InvalidInputError("password", "is missing: the document is encrypted; send it")
        case pdfium.FPDF_ERR_PASSWORD:
            return InvalidInputError("password", "does not open the document; send the right one")
        case pdfium.FPDF_ERR_SECURITY:
            return InvalidInputError(
                "document", "is encrypted in a way that is not supported; send it decrypted"
            )
        case _:
            return InvalidInputError("document", f"is a damaged PDF; {_DAMAGED}")


def _damaged_page(number: int) -> InvalidInputError:
    return InvalidInputError("document", f"page {number} of the PDF is damaged; {_DAMAGED}")
