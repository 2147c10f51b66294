"""searchable.pdf of an image file, a page for each frame: its picture, and the text that was read.

Also of a PDF that qpdf cannot take: then the pages are what PDFium draws of them.
"""

from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pikepdf
from pikepdf import Dictionary, Pdf
from PIL import Image

from ..files.documents import Pages, open_document
from ..files.images import ImagePages
from .invisible_font import FONT_NAME, make_font
from .invisible_text import pdf_number
from .pictures import add_picture, add_pixels, add_rendering
from .placing import Matrix, picture_matrix, view_matrix
from .plan import PdfPlan, PlannedPage

_PART_BYTES = 48 << 20
_ORIENTATION = 0x0112


def draw_pages(plan: PdfPlan) -> Generator[None, None, None]:
    """Write `plan.pdf`; yields after each page. Raises InvalidInputError, and what pikepdf does."""
    parts = _Parts(plan)
    with open_document(plan.opening) as pages:
        for one in plan.read_pages():
            parts.add(pages, one)
            yield
    parts.finish()


class _Parts:
    """The PDF in the making: qpdf keeps what is new to it in memory, and what a file has there."""

    def __init__(self, plan: PdfPlan) -> None:
        self._plan = plan
        self._paths: list[Path] = []
        self._begin()

    def _begin(self) -> None:
        self._pdf = Pdf.new()
        self._font = make_font(self._pdf, self._plan.characters)
        self._bytes = 0

    def add(self, pages: Pages, one: PlannedPage) -> None:
        picture, orientation = _picture(self._pdf, pages, one, self._plan)
        self._bytes += len(picture.read_raw_bytes())
        turned = one.rotation if orientation else 0
        matrix = picture_matrix(one.size, orientation=orientation or 1, rotation=turned)
        page = self._pdf.add_blank_page(page_size=one.size)
        page.obj.Resources = Dictionary(
            XObject=Dictionary(Picture=picture), Font=Dictionary({FONT_NAME: self._font})
        )
        content = f"q {_numbers(matrix)} cm /Picture Do Q\n"
        if one.whole:
            view = view_matrix(one.view, (0.0, 0.0, *one.size), rotation=0)
            content += f"q {_numbers(view)} cm\n{one.whole}\nQ\n"
        page.obj.Contents = self._pdf.make_stream(content.encode())
        if self._bytes > _PART_BYTES:
            self._end_part()
            self._begin()

    def finish(self) -> None:
        if not self._paths:
            _save(self._pdf, self._plan.pdf)
            return
        self._end_part()
        with Pdf.new() as whole:
            for path in self._paths:
                # Open until all is written: its pictures are copied from it then.
                whole.pages.extend(Pdf.open(path, access_mode=pikepdf.AccessMode.stream).pages)
            _save(whole, self._plan.pdf)
        for path in self._paths:
            path.unlink()

    def _end_part(self) -> None:
        path = self._plan.pdf.with_name(f"{self._plan.pdf.name}.part{len(self._paths)}")
        if len(self._pdf.pages):
            _save(self._pdf, path)
            self._paths.append(path)
        self._pdf.close()


def _picture(pdf: Pdf, pages: Pages, one: PlannedPage, plan: PdfPlan) -> tuple[pikepdf.Object, int]:
    """The page's picture and EXIF's orientation of it; 0 for one that is upright already."""
    if not isinstance(pages, ImagePages):
        return add_rendering(pdf, _upright(pages, one)), 0
    if not one.is_damaged:
        # Decoders raise anything. What was read of the picture is there all the same.
        with suppress(Exception):
            image = pages.picture(one.number)
            orientation = int(image.getexif().get(_ORIENTATION, 1))
            return add_picture(pdf, image, plan.opening.path), orientation
    return add_pixels(pdf, _upright(pages, one), plan.opening.path), 0


def _upright(pages: Pages, one: PlannedPage) -> Image.Image:
    pixels = pages.page(one.number).pixels
    return Image.fromarray(np.rot90(pixels[:, :, ::-1], -one.rotation // 90).copy())


def _numbers(matrix: Matrix) -> str:
    return " ".join(map(pdf_number, matrix))


def _save(pdf: Pdf, path: Path) -> None:
    pdf.save(path, object_stream_mode=pikepdf.ObjectStreamMode.generate)
