"""What was read: pages, their lines, the lines' words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

POINTS_PER_INCH = 72

Pixels = npt.NDArray[np.uint8]
"""Height by width by 3, 8 bits each, in the order blue, green, red, as OpenCV and the models do."""

Point = tuple[float, float]
Quad = tuple[Point, Point, Point, Point]
"""Corners in pixels, clockwise as the text is read: top left, top right, bottom right, bottom left.
"""


def is_wide(quad: Quad) -> bool:
    """Whether it is read from left to right (or right to left), not from top to bottom."""
    (left, top), (right, bottom) = quad[0], quad[1]
    return abs(right - left) >= abs(bottom - top)


def height_of(quad: Quad) -> float:
    """Of a line's characters."""
    return max(math.dist(quad[0], quad[3]), 1.0)


def length_of(quad: Quad) -> float:
    """Of a line, along its text."""
    return math.dist(quad[0], quad[1])


DpiSource = Literal["rendered", "image", "assumed"]
TextSource = Literal["ocr", "layer"]
BlockKind = Literal["text", "heading", "table", "note"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A run of characters without white space, or one Chinese or Japanese character.

    `start` is where it begins in its line's text.
    """

    text: str
    confidence: float
    quad: Quad
    start: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """`vertical`: its characters stand upright, one below the other. `unread` is the part of its
    ink that no character accounts for: all of it where the text is empty."""

    text: str
    confidence: float
    quad: Quad
    words: Sequence[Word]
    vertical: bool = False
    unread: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PageImage:
    """A page before it is read. `dpi_source` says why it is taken to have this many dots an inch.

    `rendered` as the request asked, stated by the `image` itself, or `assumed`. `size` is width
    and height in points, which a rendering's pixels only come close to.

    `layer` is the text that the document itself has for the page, where it can be trusted: lines in
    no order, their quads in `pixels`. `warnings` are about what of the page could not be decoded.
    """

    pixels: Pixels
    size: tuple[float, float]
    dpi: float
    dpi_source: DpiSource
    layer: Sequence[Line] | None = None
    warnings: Sequence[str] = ()

    def turned(self, pixels: Pixels, rotation: int) -> "PageImage":
        """The same page as `pixels`, which were turned by `rotation` degrees."""
        width, height = self.size
        size = (width, height) if rotation % 180 == 0 else (height, width)
        return replace(self, pixels=pixels, size=size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """What is read as one: a column's prose, a heading, a table, a note in the margin.

    `rows` go from top to bottom. A table's row has a cell for each column, from left to right, None
    where the cell is empty; a row of any other block has one line.
    """

    kind: BlockKind
    rows: Sequence[Sequence[Line | None]]

    @property
    def lines(self) -> list[Line]:
        return [line for row in self.rows for line in row if line is not None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page once read, upright: `rotation` is how far it was turned for that (degrees clockwise).

    `number` counts from 1 in the document. `readable` is false where what is drawn is text that
    could not be read; `warnings` say what, in a sentence each.
    """

    number: int
    image: PageImage
    rotation: int
    blocks: Sequence[Block]
    text_source: TextSource
    readable: bool
    warnings: Sequence[str]
    render_seconds: float
    read_seconds: float

    @property
    def lines(self) -> list[Line]:
        """All of them, in the order in which the page is read."""
        return [line for block in self.blocks for line in block.lines]

    @property
    def width(self) -> int:
        return int(self.image.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.image.pixels.shape[0])
