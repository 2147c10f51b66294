"""Finding the lines of a page part by part, so that memory does not grow with the page."""

from collections.abc import Iterator

import cv2
import numpy as np

from .boxes import joined
from .ink import Bounds, Ink
from .models import Box, Models
from .reading import Pixels

ONE_PASS = 2000  # pixels a side that are searched at once
_STEP = 1472  # from one tile to the next
_OVERLAP = 160  # twice as much as the lines are high that are read at a scale: each is in one tile
_ROUND = 128  # sides of what is searched: a GPU prepares for each size that it meets
_LEAST_SIDE = 736  # a small page is enlarged to this: the models were trained on such
_MOST_NARROW = 4  # times as long as wide; a narrower small page gets a margin


class Pyramid:
    """A page at several scales, each half as large as the one before.

    Keeps what it made: all together take a third of the page's own memory.
    """

    def __init__(self, pixels: Pixels) -> None:
        self._halvings = [pixels]

    def halved(self, times: int) -> Pixels:
        while len(self._halvings) <= times:
            larger = self._halvings[-1]
            size = max(larger.shape[1] // 2, 1), max(larger.shape[0] // 2, 1)
            self._halvings.append(cv2.resize(larger, size, interpolation=cv2.INTER_AREA))
        return self._halvings[times]


def find_lines(models: Models, pixels: Pixels, *, ink: Ink, scale: float) -> list[Box]:
    """Boxes, in pixels of the page, of the lines in what is left of its ink.

    `pixels` are the page at `scale`.
    """
    pieces = []
    for number, tile in enumerate(_tiles(pixels)):
        left, top, right, bottom = (round(edge / scale) for edge in tile)
        bounds = ink.bounds((left, top, right, bottom))
        if bounds is None:
            continue
        x, y, part = _part(pixels, tile, bounds, scale)
        boxes = models.find(part)
        pieces += [(number, ((box + np.array([x, y])) / scale).astype(np.float32)) for box in boxes]
    return joined(pieces)


def find_lines_at_once(models: Models, pixels: Pixels) -> list[Box]:
    """Boxes of the lines of a page that is not large, which is enlarged where it is small."""
    page = _not_too_narrow(pixels)
    scale = max(_LEAST_SIDE / min(page.shape[:2]), 1.0)
    if scale == 1.0:
        return models.find(page)
    size = round(page.shape[1] * scale), round(page.shape[0] * scale)
    limits = pixels.shape[1], pixels.shape[0]
    boxes = models.find(cv2.resize(page, size))
    return [np.clip(box / scale, 0, limits).astype(np.float32) for box in boxes]


def _tiles(pixels: Pixels) -> Iterator[Bounds]:
    height, width = pixels.shape[:2]
    if max(height, width) <= ONE_PASS:
        yield 0, 0, width, height
        return
    for top in range(0, max(height - _OVERLAP, 1), _STEP):
        for left in range(0, max(width - _OVERLAP, 1), _STEP):
            right, bottom = left + _STEP + _OVERLAP, top + _STEP + _OVERLAP
            yield left, top, min(right, width), min(bottom, height)


def _part(pixels: Pixels, tile: Bounds, bounds: Bounds, scale: float) -> tuple[int, int, Pixels]:
    """The left and top edge of what is searched of a tile, and its pixels."""
    left, top = int(bounds[0] * scale), int(bounds[1] * scale)
    right = left + _rounded_up(bounds[2] * scale - left)
    bottom = top + _rounded_up(bounds[3] * scale - top)
    left, top = (
        max(min(left, left + tile[2] - right), tile[0]),
        max(min(top, top + tile[3] - bottom), tile[1]),
    )
    part = pixels[top : min(bottom, tile[3]), left : min(right, tile[2])]
    return left, top, np.ascontiguousarray(part)


def _rounded_up(length: float) -> int:
    return -(-int(length + 1) // _ROUND) * _ROUND


def _not_too_narrow(pixels: Pixels) -> Pixels:
    """White added below or to the right: a line needs space around it to be found."""
    height, width = pixels.shape[:2]
    least = max(height, width) // _MOST_NARROW
    below, right = max(least - height, 0), max(least - width, 0)
    if not below and not right:
        return pixels
    white = (255, 255, 255)
    padded: Pixels = cv2.copyMakeBorder(
        pixels, 0, below, 0, right, cv2.BORDER_CONSTANT, value=white
    )
    return padded
