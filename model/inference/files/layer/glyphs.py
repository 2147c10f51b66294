"""The characters that a PDF page has as text, each where the page shows it."""

import ctypes
import unicodedata
from collections.abc import Iterator
from math import hypot
from typing import Any, NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from ...reading.reading import Point

_MAX_CHARACTERS = 200_000
_MAX_OBJECTS = 50_000
_LEAST_POINTS = 1.0  # smaller text is there for machines
_FINE = 1000  # PDFium places in whole pixels: so many of them stand for one
_LINE_END_HYPHENS = "\x02\ufffe"  # what PDFium makes of a hyphen that ends a line
_BULLETS = {0xF0A7: "•", 0xF0B7: "•"}  # of the fonts Wingdings and Symbol
_PRESENTATION = ((0xFB00, 0xFB50), (0xFB50, 0xFE00), (0xFE70, 0xFEFD))


class Glyph(NamedTuple):
    """A character that is drawn; lengths in pixels of the rendered page.

    `along` is the direction in which it is read, of length 1; `start` and `end` are its extent in
    that direction, `base` is the distance of its base line from the page's upper left corner, at a
    right angle to it. `breaks` says what stood before it: nothing, a space, or a line's end.
    """

    text: str
    along: Point
    start: float
    end: float
    base: float
    em: float
    breaks: str
    is_bad: bool
    is_hidden: bool


class _Setting(NamedTuple):
    """How the characters of one piece of text are drawn. A point (x, y) of the page is
    `at + x * right + y * up` along their line."""

    along: Point
    em: float
    is_hidden: bool
    order: int
    right: float
    up: float
    at: float


class _Placing:
    """From the points of a page to the pixels of its rendering."""

    def __init__(self, page: pypdfium2.PdfPage, size: tuple[int, int]) -> None:
        self._page, self._size = page, size
        self._origin = self._exactly(0, 0)
        x, y = self._exactly(_FINE, 0), self._exactly(0, _FINE)
        self._x = ((x[0] - self._origin[0]) / _FINE, (x[1] - self._origin[1]) / _FINE)
        self._y = ((y[0] - self._origin[0]) / _FINE, (y[1] - self._origin[1]) / _FINE)

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


class _Pictures:
    """The pictures of a page: text that one is drawn over is not what the page shows."""

    def __init__(self, page: pypdfium2.PdfPage, placing: _Placing) -> None:
        self._orders: dict[int, int] = {}
        self._boxes: list[tuple[int, float, float, float, float]] = []
        for order in range(min(pdfium.FPDFPage_CountObjects(page), _MAX_OBJECTS)):
            item = pdfium.FPDFPage_GetObject(page, order)
            kind = pdfium.FPDFPageObj_GetType(item)
            if kind == pdfium.FPDF_PAGEOBJ_TEXT:
                self._orders[_address(item)] = order
            elif kind == pdfium.FPDF_PAGEOBJ_IMAGE:
                self._boxes.append((order, *_box(item, placing)))

    def order(self, text_object: Any) -> int:
        return self._orders.get(_address(text_object), _MAX_OBJECTS)

    def cover(self, order: int, point: Point) -> bool:
        x, y = point
        return any(
            order < above and left < x < right and top < y < bottom
            for above, left, top, right, bottom in self._boxes
        )


def read_glyphs(page: pypdfium2.PdfPage, size: tuple[int, int]) -> list[Glyph]:
    """Those on the page, in the order in which they are read; `size` is the rendering's.

    None where there are too many to be a page's text. Raises PdfiumError.
    """
    text_page = page.get_textpage()
    try:
        count = pdfium.FPDFText_CountChars(text_page)
        if not 0 < count <= _MAX_CHARACTERS:
            return []
        return list(_Reading(page, text_page, size).glyphs(count))
    finally:
        text_page.close()


class _Reading:
    def __init__(
        self, page: pypdfium2.PdfPage, text_page: pypdfium2.PdfTextPage, size: tuple[int, int]
    ) -> None:
        self._text = text_page
        self._size = size
        self._placing = _Placing(page, size)
        self._pictures = _Pictures(page, self._placing)
        self._settings: dict[int, _Setting | None] = {}
        self._pixels_per_point = size[0] / max(page.get_width(), 1.0)
        self._numbers = tuple(ctypes.c_double() for _ in range(4))

    def glyphs(self, count: int) -> Iterator[Glyph]:
        breaks, high = "", 0
        for index in range(count):
            code = pdfium.FPDFText_GetUnicode(self._text, index)
            if 0xD800 <= code < 0xDC00:
                high = code
                continue
            if 0xDC00 <= code < 0xE000:
                code = 0x10000 + ((high - 0xD800) << 10) + code - 0xDC00 if high else 0xFFFD
            high = 0
            character = chr(code)
            if character in "\r\n":
                breaks = "\n"
            elif character.isspace():
                breaks = breaks or " "
            elif (glyph := self._glyph(index, character, breaks)) is not None:
                yield glyph
                breaks = ""

    def _glyph(self, index: int, character: str, breaks: str) -> Glyph | None:
        setting = self._setting(index)
        if setting is None:
            return None
        left, right, bottom, top = self._box(index)
        is_drawn = right > left or top > bottom
        text = _as_drawn(character, is_drawn=is_drawn)
        x, y = self._origin(index)
        if not is_drawn:
            left, right, bottom, top = x, x, y, y
        middle = self._placing.point((left + right) / 2, (bottom + top) / 2)
        if not text or not self._is_on_page(middle):
            return None
        along = setting.along
        origin = self._placing.point(x, y)
        lefts, ups = (
            (left * setting.right, right * setting.right),
            (bottom * setting.up, top * setting.up),
        )
        return Glyph(
            text=text,
            along=along,
            start=setting.at + min(lefts) + min(ups),
            end=setting.at + max(lefts) + max(ups),
            base=origin[1] * along[0] - origin[0] * along[1],
            em=setting.em,
            breaks=breaks,
            is_bad=_is_bad(character) or pdfium.FPDFText_HasUnicodeMapError(self._text, index) == 1,
            is_hidden=setting.is_hidden or self._pictures.cover(setting.order, middle),
        )

    def _box(self, index: int) -> tuple[float, float, float, float]:
        left, right, bottom, top = self._numbers
        pdfium.FPDFText_GetCharBox(self._text, index, left, right, bottom, top)
        return left.value, right.value, bottom.value, top.value

    def _origin(self, index: int) -> Point:
        x, y, *_ = self._numbers
        pdfium.FPDFText_GetCharOrigin(self._text, index, x, y)
        return x.value, y.value

    def _is_on_page(self, point: Point) -> bool:
        return 0 <= point[0] <= self._size[0] and 0 <= point[1] <= self._size[1]

    def _setting(self, index: int) -> _Setting | None:
        """None where it is no text, or too small to be read."""
        item = pdfium.FPDFText_GetTextObject(self._text, index)
        if not item:
            return None
        address = _address(item)
        if address not in self._settings:
            self._settings[address] = self._read_setting(index, item)
        return self._settings[address]

    def _read_setting(self, index: int, item: Any) -> _Setting | None:
        matrix = pdfium.FS_MATRIX()
        if not pdfium.FPDFText_GetMatrix(self._text, index, matrix):
            return None
        size = pdfium.FPDFText_GetFontSize(self._text, index)
        across, down = self._placing.vector(matrix.a, matrix.b)
        length = hypot(across, down)
        em = abs(size) * hypot(*self._placing.vector(matrix.c, matrix.d))
        if not length or em < _LEAST_POINTS * self._pixels_per_point:
            return None
        mode = pdfium.FPDFTextObj_GetTextRenderMode(item)
        red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
        has_colour = pdfium.FPDFText_GetFillColor(self._text, index, red, green, blue, alpha)
        is_filled = mode in {pdfium.FPDF_TEXTRENDERMODE_FILL, pdfium.FPDF_TEXTRENDERMODE_FILL_CLIP}
        along = (across / length, down / length)
        right, up = self._placing.vector(1, 0), self._placing.vector(0, 1)
        corner = self._placing.point(0, 0)
        return _Setting(
            along=along,
            em=em,
            is_hidden=mode == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE
            or bool(is_filled and has_colour and not alpha.value),
            order=self._pictures.order(item),
            right=right[0] * along[0] + right[1] * along[1],
            up=up[0] * along[0] + up[1] * along[1],
            at=corner[0] * along[0] + corner[1] * along[1],
        )


def _address(item: Any) -> int:
    return ctypes.cast(item, ctypes.c_void_p).value or 0


def _box(item: Any, placing: _Placing) -> tuple[float, float, float, float]:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    if not pdfium.FPDFPageObj_GetBounds(item, left, bottom, right, top):
        return 0.0, 0.0, 0.0, 0.0
    one, other = placing.point(left.value, bottom.value), placing.point(right.value, top.value)
    (x1, x2), (y1, y2) = sorted((one[0], other[0])), sorted((one[1], other[1]))
    return x1, y1, x2, y2


def _as_drawn(character: str, *, is_drawn: bool) -> str:
    """What is seen of it; nothing where it only tells how to set or break a line."""
    if character.isascii() and character.isprintable():
        return character
    code = ord(character)
    if character in _LINE_END_HYPHENS or (character == "\xad" and is_drawn):
        return "-"
    if code in _BULLETS:
        return _BULLETS[code]
    if any(first <= code < end for first, end in _PRESENTATION):
        return unicodedata.normalize("NFKC", character).strip() or character
    if unicodedata.category(character) == "Cf":
        return ""
    return "\ufffd" if 0xD800 <= code < 0xE000 or code < 0x20 else character


def _is_bad(character: str) -> bool:
    """Whether no writing has such a character: the font does not say what its glyphs mean."""
    if character.isalnum() or character in _LINE_END_HYPHENS or ord(character) in _BULLETS:
        return False
    return character == "\ufffd" or unicodedata.category(character) in {"Cc", "Cn", "Co", "Cs"}
