"""The invisible text of a PDF page: every word where the image shows it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pydyf

from ..reading.reading import Line, Page, Point, Quad, Word
from .invisible_font import FONT_NAME, GLYPH_WIDTH, Codes

_INVISIBLE = 3
_DESCENT = 0.2  # how far a quad's lower side is below the letters' base line, of its height


def show_text(stream: pydyf.Stream, page: Page, codes: Codes, *, scale: float) -> None:
    """Add the page's lines to its content; `scale` is points per pixel."""
    stream.begin_text()
    stream.set_text_rendering(_INVISIBLE)
    for line in page.lines:
        for run in _runs(line, height=page.height, scale=scale):
            _show(stream, run, codes)
    stream.end_text()


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


def _show(stream: pydyf.Stream, run: _Run, codes: Codes) -> None:
    stretch = run.length / (len(run.text) * GLYPH_WIDTH * run.size)
    cosine, sine = math.cos(run.angle), math.sin(run.angle)
    rise = _DESCENT * run.size
    x, y = run.start[0] - sine * rise, run.start[1] + cosine * rise
    stream.set_font_size(FONT_NAME, float(run.size))
    stream.set_text_matrix(cosine * stretch, sine * stretch, -sine, cosine, x, y)
    stream.stream.append(f"{codes.encode(run.text)} Tj".encode())
