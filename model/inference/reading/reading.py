"""What was read: pages, their lines, the lines' words."""

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

DpiSource = Literal["rendered", "image", "assumed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PageImage:
    """A page before it is read. `dpi_source` says why it is taken to have this many dots an inch.

    `rendered` as the request asked, stated by the `image` itself, or `assumed`. `size` is width
    and height in points, which a rendering's pixels only come close to.
    """

    pixels: Pixels
    size: tuple[float, float]
    dpi: float
    dpi_source: DpiSource

    def turned(self, pixels: Pixels, rotation: int) -> "PageImage":
        """The same page as `pixels`, which were turned by `rotation` degrees."""
        width, height = self.size
        size = (width, height) if rotation % 180 == 0 else (height, width)
        return replace(self, pixels=pixels, size=size)


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
    text: str
    confidence: float
    quad: Quad
    words: Sequence[Word]


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page once read, upright: `rotation` is how far it was turned for that (degrees clockwise).

    `number` counts from 1 in the document.
    """

    number: int
    image: PageImage
    rotation: int
    lines: Sequence[Line]
    render_seconds: float
    read_seconds: float

    @property
    def width(self) -> int:
        return int(self.image.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.image.pixels.shape[0])
