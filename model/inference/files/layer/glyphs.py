"""The characters that a PDF page has as text, each where the page shows it."""

import ctypes
import unicodedata
from collections.abc import Iterator
from math import hypot
from typing import Any, NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from ...reading.reading import Point
from .pictures import Pictures, Placing, address

_MAX_CHARACTERS = 200_000
_LAST_CHARACTER = 0x10FFFF
_FARTHEST = 1e6  # pixels; also infinity, and what is no number, is farther
_LEAST_POINTS = 1.0  # smaller text is there for machines
_LINE_END_HYPHENS = "\x02\ufffe"  # what PDFium makes of a hyphen that ends a line
_BULLETS = {0xF0A7: "•", 0xF0B7: "•"}  # of the fonts Wingdings and Symbol
_PRESENTATION = ((0xFB00, 0xFB50), (0xFB50, 0xFE00), (0xFE70, 0xFEFD))


class Glyph(NamedTuple):
    """A character that is drawn; lengths in pixels of the rendered page.

    `along` is the direction in which it is read, of length 1; `start` and `end` are its extent in
    that direction, `base` is the distance of its base line from the page's upper left corner, at a
    right angle to it. `breaks` says what stood before it: nothing, a space, or a line's end.
    `is_vertical` where it stands upright in a line that runs down.
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
    is_vertical: bool = False


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


def read_glyphs(page: pypdfium2.PdfPage, size: tuple[int, int]) -> list[Glyph]:
    """Those on the page, in the order in which they are read; `size` is the rendering's.

    Empty where there are too many to be a page's text. Raises PdfiumError.
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
        self._placing = Placing(page, size)
        self._pictures = Pictures(page, self._placing)
        self._settings: dict[int, _Setting | None] = {}
        self._numbers = tuple(ctypes.c_double() for _ in range(4))
        self._references = tuple(map(ctypes.byref, self._numbers))

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
            character = chr(min(code, _LAST_CHARACTER))
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
        start, end = setting.at + min(lefts) + min(ups), setting.at + max(lefts) + max(ups)
        base = origin[1] * along[0] - origin[0] * along[1]
        if not all(abs(place) < _FARTHEST for place in (start, end, base)):
            return None
        return Glyph(
            text=text,
            along=along,
            start=start,
            end=end,
            base=base,
            em=setting.em,
            breaks=breaks,
            is_bad=_is_bad(character) or pdfium.FPDFText_HasUnicodeMapError(self._text, index) == 1,
            is_hidden=setting.is_hidden or self._pictures.cover(setting.order, *middle),
        )

    def _box(self, index: int) -> tuple[float, float, float, float]:
        left, right, bottom, top = self._numbers
        pdfium.FPDFText_GetCharBox(self._text, index, *self._references)
        return left.value, right.value, bottom.value, top.value

    def _origin(self, index: int) -> Point:
        x, y, *_ = self._numbers
        pdfium.FPDFText_GetCharOrigin(self._text, index, *self._references[:2])
        return x.value, y.value

    def _is_on_page(self, point: Point) -> bool:
        return 0 <= point[0] <= self._size[0] and 0 <= point[1] <= self._size[1]

    def _setting(self, index: int) -> _Setting | None:
        """None where it is no text, or too small to be read."""
        item = pdfium.FPDFText_GetTextObject(self._text, index)
        if not item:
            return None
        place = address(item)
        if place not in self._settings:
            self._settings[place] = self._read_setting(index, item)
        return self._settings[place]

    def _read_setting(self, index: int, item: Any) -> _Setting | None:
        matrix = pdfium.FS_MATRIX()
        if not pdfium.FPDFText_GetMatrix(self._text, index, matrix):
            return None
        size = pdfium.FPDFText_GetFontSize(self._text, index)
        across, down = self._placing.vector(matrix.a, matrix.b)
        length = hypot(across, down)
        em = abs(size) * hypot(*self._placing.vector(matrix.c, matrix.d))
        points = em * self._placing.points_per_pixel
        if not (0 < length < _FARTHEST and points >= _LEAST_POINTS and em < _FARTHEST):
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
