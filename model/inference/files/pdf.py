"""Pages of a PDF, rendered by PDFium. PDFium is not thread-safe: one document at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_ubyte
from math import ceil, isfinite
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from typing import Any, BinaryIO

import pypdfium2
import pypdfium2.raw as pdfium

from truss_outbox.contract.errors import InvalidInputError

from ..reading.reading import POINTS_PER_INCH, PageImage, Pixels
from ..settings import PageLimits, TextMode
from .layer.text_layer import Layer, flattened, read_any_layer, read_layer
from .pdf_extent import Extent, find_extent
from .user_units import UserUnits, open_user_units
from .xfa import is_only_for_acrobat

_DAMAGED = "export it again, or open it in a viewer and print it to a new PDF"


class PdfPages:
    """Implements `Pages`."""

    def __init__(
        self,
        pdf: pypdfium2.PdfDocument,
        units: UserUnits,
        *,
        dpi: int,
        text: TextMode,
        limits: PageLimits,
    ) -> None:
        self._pdf = pdf
        self._units = units
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
        unit = self._units.of(number)
        width, height = (ceil(side * unit * self._dpi / POINTS_PER_INCH) for side in points)
        remedy = "send a lower dpi, or leave the page out"
        self._limits.check_size(number, (width, height), remedy=remedy)

    def page(self, number: int) -> PageImage:
        try:
            page = self._pdf.get_page(number - 1)
        except pypdfium2.PdfiumError as error:
            raise _damaged_page(number) from error
        try:
            width, height = page.get_size()
            unit = self._units.of(number)
            pixels = _render(page, unit * self._dpi / POINTS_PER_INCH)
            layer = self._layer(number, page, pixels)
            return PageImage(
                pixels=pixels,
                size=(width * unit, height * unit),
                dpi=self._dpi,
                dpi_source="rendered",
                layer=layer.lines if layer else None,
                layer_is_whole=layer is None or layer.is_whole,
            )
        except pypdfium2.PdfiumError as error:
            raise _damaged_page(number) from error
        finally:
            page.close()

    def _layer(self, number: int, page: pypdfium2.PdfPage, pixels: Pixels) -> Layer | None:
        """Asked for after the page is rendered: what is filled into it becomes a part of it."""
        try:
            with flattened(self._pdf, number, page) as flat:
                if self._text == "layer":
                    return read_any_layer(flat, (pixels.shape[1], pixels.shape[0]))
                return read_layer(flat, pixels)
        except pypdfium2.PdfiumError:
            return None  # the page could be rendered: that is read


def _render(page: pypdfium2.PdfPage, scale: float) -> Pixels:
    bitmap = page.render(scale=scale, bitmap_maker=pypdfium2.PdfBitmap.new_native)
    try:
        # Such a bitmap's memory is Python's, and there as long as an array shows it.
        pixels: Pixels = bitmap.to_numpy()
    finally:
        bitmap.close()
    return pixels


@contextmanager
def open_pdf(
    path: Path, *, dpi: int, password: str | None, text: TextMode, limits: PageLimits
) -> Iterator[PdfPages]:
    """Raises InvalidInputError: cut off, damaged, encrypted with another password, no pages."""
    extent = find_extent(path)
    if extent is None:
        raise InvalidInputError(
            "document",
            "is a damaged PDF, whose end is missing; send the whole file (was it cut off?)",
        )
    with _loaded(path, extent, password) as pdf, open_user_units(path, password) as units:
        _init_forms(pdf)
        if not len(pdf):
            raise InvalidInputError("document", f"is a PDF without a readable page; {_DAMAGED}")
        if is_only_for_acrobat(pdf):
            raise InvalidInputError(
                "document",
                "is a form that only Adobe Acrobat shows (XFA); open it in Acrobat, print it to a"
                " new PDF, and send that",
            )
        yield PdfPages(pdf, units, dpi=dpi, text=text, limits=limits)


@contextmanager
def _loaded(path: Path, extent: Extent, password: str | None) -> Iterator[pypdfium2.PdfDocument]:
    with _handle(path, extent, password) as handle:
        # PDFium keeps its last error: after a load that succeeded it is another document's.
        if not handle:
            raise _not_opened(pdfium.FPDF_GetLastError(), password)
        with pypdfium2.PdfDocument(handle) as pdf:
            yield pdf


@contextmanager
def _handle(path: Path, extent: Extent, password: str | None) -> Iterator[Any]:
    key = None if password is None else password.encode() + b"\0"
    if extent.is_almost(path):
        yield pdfium.FPDF_LoadDocument(bytes(path) + b"\0", key)
        return
    with path.open("rb") as file, _mapped(file) as content:
        part = (c_ubyte * (extent.end - extent.start)).from_buffer(content, extent.start)
        try:
            yield pdfium.FPDF_LoadMemDocument64(part, len(part), key)
        finally:
            del part  # the file is not closed while there are views of it


def _mapped(file: BinaryIO) -> mmap:
    try:
        return mmap(file.fileno(), 0, access=ACCESS_COPY)
    except OSError as error:
        raise MemoryError from error


def _init_forms(pdf: pypdfium2.PdfDocument) -> None:
    """Otherwise what was filled into a form is not rendered."""
    try:
        pdf.init_forms()
    except pypdfium2.PdfiumError as error:
        raise InvalidInputError("document", f"has a damaged form; {_DAMAGED}") from error


def _not_opened(error: int, password: str | None) -> InvalidInputError:
    match error:
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
