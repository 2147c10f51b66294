"""The pictures of a PDF page: text that one is drawn over is not what the page shows."""

import ctypes
from dataclasses import dataclass
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from ...reading.reading import Point

_FINE = 1000  # PDFium places in whole pixels: so many of them stand for one
_MAX_OBJECTS = 50_000
_MAX_POINTS = 10_000_000  # larger pictures are not drawn to see whether they are opaque
_MAX_LOOKS = 8
_OPAQUE = 230  # mean, of 255


class Placing:
    """From the points of a page to the pixels of its rendering."""

    def __init__(self, page: pypdfium2.PdfPage, size: tuple[int, int]) -> None:
        self._page, self._size = page, size
        self._origin = self._exactly(0, 0)
        # As far as the page reaches: further away its numbers would be too large for PDFium.
        reach = max(page.get_width(), page.get_height(), 1.0)
        x, y = self._exactly(reach, 0), self._exactly(0, reach)
        self._x = ((x[0] - self._origin[0]) / reach, (x[1] - self._origin[1]) / reach)
        self._y = ((y[0] - self._origin[0]) / reach, (y[1] - self._origin[1]) / reach)
        self.points_per_pixel = max(page.get_width(), 1.0) / size[0]

    def point(self, x: float, y: float) -> Point:
        across, down = self.vector(x, y)
        return self._origin[0] + across, self._origin[1] + down

    def vector(self, x: float, y: float) -> Point:
        return x * self._x[0] + y * self._y[0], x * self._x[1] + y * self._y[1]

    def _exactly(self, x: float, y: float) -> Point:
        across, down = ctypes.c_int(), ctypes.c_int()
        width, height = (side * _FINE for side in self._size)
        pdfium.FPDF_PageToDevice(self._page, 0, 0, width, height, 0, x, y, across, down)
        return across.value / _FINE, down.value / _FINE


@dataclass(slots=True)
class _Picture:
    item: Any
    order: int
    box: tuple[float, float, float, float]
    is_opaque: bool | None = None


class Pictures:
    def __init__(self, page: pypdfium2.PdfPage, placing: Placing) -> None:
        self._page = page
        self._points = placing.points_per_pixel
        self._orders: dict[int, int] = {}
        self._pictures: list[_Picture] = []
        self._looks = 0
        for order in range(min(pdfium.FPDFPage_CountObjects(page), _MAX_OBJECTS)):
            item = pdfium.FPDFPage_GetObject(page, order)
            kind = pdfium.FPDFPageObj_GetType(item)
            if kind == pdfium.FPDF_PAGEOBJ_TEXT:
                self._orders[address(item)] = order
            elif kind == pdfium.FPDF_PAGEOBJ_IMAGE:
                picture = _Picture(item=item, order=order, box=_box(item, placing))
                self._pictures.append(picture)

    def order(self, item: Any) -> int:
        """When a piece of text is drawn; after all pictures, where that is not known."""
        return self._orders.get(address(item), _MAX_OBJECTS)

    def cover(self, order: int, x: float, y: float) -> bool:
        """Whether one that is drawn later hides what is at the point."""
        return any(
            self._is_opaque(picture)
            for picture in self._pictures
            if order < picture.order and _is_inside(x, y, picture.box)
        )

    def _is_opaque(self, picture: _Picture) -> bool:
        if picture.is_opaque is None:
            picture.is_opaque = self._looks_opaque(picture)
        return picture.is_opaque

    def _looks_opaque(self, picture: _Picture) -> bool:
        left, top, right, bottom = picture.box
        points = (right - left) * (bottom - top) * self._points**2
        if self._looks >= _MAX_LOOKS or points > _MAX_POINTS:
            return True
        self._looks += 1
        raw = pdfium.FPDFImageObj_GetRenderedBitmap(self._page.pdf, self._page, picture.item)
        if not raw:
            return True
        bitmap = pypdfium2.PdfBitmap.from_raw(raw)
        try:
            pixels = bitmap.to_numpy()
            return bool(pixels.shape[2] < 4 or pixels[:, :, 3].mean() > _OPAQUE)
        finally:
            bitmap.close()


def address(item: Any) -> int:
    """By which PDFium's objects are told apart."""
    return ctypes.addressof(item.contents)


def _is_inside(x: float, y: float, box: tuple[float, float, float, float]) -> bool:
    left, top, right, bottom = box
    return left < x < right and top < y < bottom


def _box(item: Any, placing: Placing) -> tuple[float, float, float, float]:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    if not pdfium.FPDFPageObj_GetBounds(item, left, bottom, right, top):
        return 0.0, 0.0, 0.0, 0.0
    one, other = placing.point(left.value, bottom.value), placing.point(right.value, top.value)
    (x1, x2), (y1, y2) = sorted((one[0], other[0])), sorted((one[1], other[1]))
    return x1, y1, x2, y2
