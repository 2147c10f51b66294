"""The invisible text of a PDF page: every word where the page shows it."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from ..reading.reading import Line, Point, Quad, Word
from .invisible_font import FONT_NAME, GLYPH_WIDTH, Codes

_INVISIBLE = 3
_DESCENT = 0.2  # how far a quad's lower side is below the letters' base line, of its height


def text_content(lines: Iterable[Line], codes: Codes, *, height: int, scale: float) -> str:
    """A PDF's content that shows the lines of a page of `height` pixels; nothing for none.

    Its origin is the page's lower left corner; `scale` is points per pixel.
    """
    shown = [
        _shown(run, codes) for line in lines for run in _runs(line, height=height, scale=scale)
    ]
    return "\n".join([f"BT {_INVISIBLE} Tr", *shown, "ET"]) if shown else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    """Text from `start` on, in points from the page's lower left corner."""

    text: str
    start: tuple[float, float]
    length: float
    angle: float
    size: float


def _runs(line: Line, *, height: int, scale: float) -> Iterator[_Run]:
    """What white space separates, each with the white space after it, up to the next."""
    groups: list[list[Word]] = []
    for word in line.words:
        if groups and not line.text[word.start - 1].isspace():
            groups[-1].append(word)
        else:
            groups.append([word])
    for group, following in pairwise([*groups, []]):
        end = following[0].start if following else None
        yield _run(
            line.text[group[0].start : end],
            group[0].quad,
            end=following[0].quad[3] if following else group[-1].quad[2],
            height=height,
            scale=scale,
        )


def _run(text: str, quad: Quad, *, end: Point, height: int, scale: float) -> _Run:
    top_left, _, _, bottom_left = quad
    across, down = end[0] - bottom_left[0], end[1] - bottom_left[1]
    return _Run(
        text=text,
        start=(bottom_left[0] * scale, (height - bottom_left[1]) * scale),
        length=max(math.hypot(across, down), 1.0) * scale,
        angle=math.atan2(-down, across),
        size=max(math.dist(top_left, bottom_left), 1.0) * scale,
    )


def _shown(run: _Run, codes: Codes) -> str:
    stretch = run.length / (len(run.text) * GLYPH_WIDTH * run.size)
    cosine, sine = math.cos(run.angle), math.sin(run.angle)
    rise = _DESCENT * run.size
    x, y = run.start[0] - sine * rise, run.start[1] + cosine * rise
    matrix = (cosine * stretch, sine * stretch, -sine, cosine, x, y)
    numbers = " ".join(pdf_number(value) for value in matrix)
    return f"{FONT_NAME} {pdf_number(run.size)} Tf {numbers} Tm {codes.encode(run.text)} Tj"


def pdf_number(value: float) -> str:
    """As PDF writes numbers, which has no exponents."""
    return f"{value:.4f}".rstrip("0").rstrip(".")
