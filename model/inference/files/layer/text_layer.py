"""The text layer of a PDF page: its own text as lines, where the page shows it and can be trusted.

What is not seen is no text of the page: an old OCR under the letters' picture (text that is drawn
invisibly, or below a picture), white on white, cut off, outside the page, too small to be read.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import pypdfium2
import pypdfium2.raw as pdfium

from ...reading.reading import Line, Pixels, Point, Quad, Word
from ...reading.words import is_ideograph, word_spans
from .glyphs import Glyph, read_glyphs
from .ink import PageInk
from .mojibake import is_mojibake
from .right_to_left import in_reading_order

_ASCENT, _DESCENT = 0.78, 0.22  # of a line above and below its base line, as parts of its em
_SAME_DIRECTION = 0.99  # cosine
_SAME_BASE = 0.5  # em: subscripts and superscripts are less far from the base line
_APART = 1.2  # em: pieces further from each other are lines of their own, such as a table's cells
_TOUCHING = 0.1  # em: what is nearer is one word, even where PDFium sees a line's end
_BELOW = (0.8, 1.35)  # em: how far the next character of a vertical line is


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """`is_whole` unless something that looks like text is drawn beside it."""

    lines: Sequence[Line]
    is_whole: bool


def read_layer(page: pypdfium2.PdfPage, pixels: Pixels) -> Layer | None:
    """The layer of the page that was rendered as `pixels`; None where it has none to be trusted.

    Raises PdfiumError.
    """
    size = (pixels.shape[1], pixels.shape[0])
    glyphs = [glyph for glyph in read_glyphs(page, size) if not glyph.is_hidden]
    if not glyphs or is_mojibake(glyphs):
        return None
    ink = PageInk(pixels, dpi=72 * size[0] / max(page.get_width(), 1.0))
    lines = [line for line in _lines(glyphs) if ink.is_seen([word.quad for word in line.words])]
    if not lines:
        return None
    quads = [word.quad for line in lines for word in line.words]
    return Layer(lines=lines, is_whole=not ink.has_text_beside(quads))


def read_any_layer(page: pypdfium2.PdfPage, size: tuple[int, int]) -> Layer | None:
    """All text that lies on the page, also what is not seen, or not to be trusted."""
    lines = list(_lines(read_glyphs(page, size)))
    return Layer(lines=lines, is_whole=True) if lines else None


@contextmanager
def flattened(
    pdf: pypdfium2.PdfDocument, number: int, page: pypdfium2.PdfPage
) -> Iterator[pypdfium2.PdfPage]:
    """The page with what is filled into its forms, and stamped on it, as a part of its content."""
    if not pdfium.FPDFPage_GetAnnotCount(page):
        yield page
        return
    pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY)
    flat = pdf.get_page(number - 1)
    try:
        yield flat
    finally:
        flat.close()


def _lines(glyphs: Sequence[Glyph]) -> Iterator[Line]:
    seen: set[tuple[str, int, int]] = set()
    for run in _runs(_with_vertical_lines(glyphs)):
        for piece in _pieces(run):
            line = _line(in_reading_order(piece))
            x, y = line.quad[0]
            # Shadows and fat letters are made by drawing the same again, a little beside.
            place = (line.text, round(2 * x / piece[0].em), round(2 * y / piece[0].em))
            if place not in seen:
                seen.add(place)
                yield line


def _with_vertical_lines(glyphs: Sequence[Glyph]) -> Iterator[Glyph]:
    """Chinese and Japanese that runs down the page is told as other text that does."""
    if not any(is_ideograph(glyph.text) for glyph in glyphs):
        yield from glyphs
        return
    column: list[Glyph] = []
    for glyph in glyphs:
        if column and not _is_below(column[-1], glyph):
            yield from _as_column(column)
            column = []
        column.append(glyph)
    yield from _as_column(column)


def _is_below(one: Glyph, other: Glyph) -> bool:
    first, last = _BELOW
    return (
        other.along == one.along == (1.0, 0.0)
        and is_ideograph(one.text)
        and abs(_middle(one) - _middle(other)) < 0.3 * one.em
        and first * one.em < other.base - one.base < last * one.em
    )


def _as_column(glyphs: Sequence[Glyph]) -> Iterator[Glyph]:
    if len(glyphs) < 3:
        yield from glyphs
        return
    left = min(_middle(glyph) - glyph.em / 2 for glyph in glyphs)
    for glyph in glyphs:
        yield glyph._replace(
            is_vertical=True,
            along=(0.0, 1.0),
            start=glyph.base - _ASCENT * glyph.em,
            end=glyph.base + _DESCENT * glyph.em,
            base=-left - _DESCENT * glyph.em,
            breaks="" if glyph is not glyphs[0] else glyph.breaks,
        )


def _middle(glyph: Glyph) -> float:
    return (glyph.start + glyph.end) / 2


def _runs(glyphs: Iterator[Glyph]) -> Iterator[list[Glyph]]:
    """Successive characters on the same base line."""
    run: list[Glyph] = []
    for glyph in glyphs:
        if run and not _continues(run, glyph):
            yield run
            run = []
        run.append(glyph)
    if run:
        yield run


def _continues(run: Sequence[Glyph], glyph: Glyph) -> bool:
    last = run[-1]
    cosine = glyph.along[0] * last.along[0] + glyph.along[1] * last.along[1]
    # The first one's em too: after a superscript the line goes on where it was before.
    em = max(run[0].em, last.em, glyph.em)
    return cosine > _SAME_DIRECTION and abs(glyph.base - last.base) < _SAME_BASE * em


def _pieces(run: Sequence[Glyph]) -> Iterator[list[Glyph]]:
    """Parts with nothing between them for longer than a space is, each in the order of the run."""
    order = sorted(range(len(run)), key=lambda place: run[place].start)
    piece, members, end = 0, [0] * len(run), -math.inf
    for place in order:
        glyph = run[place]
        if glyph.start - end > _APART * glyph.em and end > -math.inf:
            piece += 1
        members[place] = piece
        end = max(end, glyph.end)
    for number in range(piece + 1):
        yield [glyph for glyph, member in zip(run, members, strict=True) if member == number]


def _line(glyphs: Sequence[Glyph]) -> Line:
    text = glyphs[0].text
    owners = [0] * len(text)
    for place, (before, glyph) in enumerate(pairwise(glyphs), start=1):
        if _is_spaced(before, glyph):
            text += " "
            owners.append(place)
        text += glyph.text
        owners += [place] * len(glyph.text)
    em = max(glyph.em for glyph in glyphs)
    words = [
        Word(
            text=text[first:end],
            confidence=1.0,
            quad=_quad([glyphs[place] for place in owners[first:end]], em),
            start=first,
        )
        for first, end in word_spans(text)
    ]
    return Line(
        text=text,
        confidence=1.0,
        quad=_quad(glyphs, em),
        words=words,
        vertical=glyphs[0].is_vertical,
    )


def _is_spaced(before: Glyph, glyph: Glyph) -> bool:
    if glyph.breaks != "\n":
        return bool(glyph.breaks)
    return glyph.start - before.end > _TOUCHING * glyph.em


def _quad(glyphs: Sequence[Glyph], em: float) -> Quad:
    start, end = min(glyph.start for glyph in glyphs), max(glyph.end for glyph in glyphs)
    base = median(glyph.base for glyph in glyphs)
    along = glyphs[0].along

    def point(place: float, level: float) -> Point:
        return place * along[0] - level * along[1], place * along[1] + level * along[0]

    top, bottom = base - _ASCENT * em, base + _DESCENT * em
    end = max(end, start + 1)
    return point(start, top), point(end, top), point(end, bottom), point(start, bottom)
