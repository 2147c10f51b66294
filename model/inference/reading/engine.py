"""Text lines of one page image, each found at the scale that its height asks for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ..settings import InferenceSettings, Quality
from .boxes import Boxes, height, is_wide
from .ink import Ink
from .lines import read_lines
from .models import Box, Models, load_models
from .reading import Line, Pixels
from .tiles import ONE_PASS, Pyramid, find_lines, find_lines_at_once

_LEAST_HEIGHT = 20  # pixels at a reduced scale: lower lines are read at a larger one
_CERTAIN = 0.9  # what is read at a reduced scale with less confidence is read again at a larger one
_FIRST_LOOK = 1000  # pixels a side of a large page's smallest scale
_GIANT = 3  # halvings of another page: the letters that fill it are of a height that is found
_PART = 1 / 3  # of a line's height: what is lower and in it may be text between its letters
_LEAST_PART = 4  # characters of such text: less are strokes of the large letters
_DASHES = frozenset("一二三=≡—-_ ")  # so low lines one below the other look on a reduced page
_LEFT = 0.2  # of the cells of what was read at no scale; less is a column of lines that were read
_MISSED = 0.3  # a line of which less lies in others was found on a reduced page alone

_FAST_LOOK = 640  # pixels a side of the copy that tells how high the lines are
_FAST_HEIGHT = 16  # pixels that the low lines get: the least that is found for certain
_FAST_HIGHEST = 200  # pixels of the high lines at that scale: the most that is found for certain
_FAST_UNSEEN = 6  # cells of ink side by side that may be a line too low for the copy


class Engine:
    """Reads one page at a time: not for two threads at once."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def read(self, pixels: Pixels, quality: Quality = "accurate") -> list[Line]:
        """The lines, in no order that can be relied on.

        An accurate reading looks for large letters on a reduced page first, and at each larger
        scale for what is left of the ink. A fast one looks once, at the scale of the lowest lines,
        if a reduced page shows them all. Where text is found and none of it can be read, there is a
        line without text.
        """
        search = _Search(self._models, pixels)
        scale = search.scale_of_all() if quality == "fast" else None
        if scale is not None:
            search.read_at(scale)
            return search.all_lines()
        for halvings in _halvings(pixels):
            search.read_large(halvings)
        search.read_rest()
        return search.all_lines()


def load_engine(settings: InferenceSettings, data_directory: Path) -> Engine:
    """The engine, warm. Raises ConfigurationError."""
    return Engine(load_models(settings, data_directory))


def _halvings(pixels: Pixels) -> Sequence[int]:
    """How often the page is halved for each look before the last, from the smallest scale."""
    longest = max(pixels.shape[:2])
    if longest <= ONE_PASS:
        return (_GIANT,)
    return range(int(np.ceil(np.log2(longest / _FIRST_LOOK))), 0, -1)


class _Search:
    """A page, the lines read so far, and what is left to be read."""

    def __init__(self, models: Models, pixels: Pixels) -> None:
        self.lines: list[Line] = []
        self._models = models
        self._page = Pyramid(pixels)
        self._ink = Ink(self._page.halved(1))
        self._read: list[Box] = []
        self._refused: list[tuple[Box, Line]] = []
        self._too_low: list[Box] | None = None
        self._tall: list[list[Box]] = []

    def read_large(self, halvings: int) -> None:
        """Read the lines that are high, and certain, on the page halved so often.

        What runs down the page waits for what is read at a larger scale: it may be a column of low
        lines, which looks like dashes one below the other.
        """
        scale = 0.5**halvings
        if self._too_low is not None and not any(_is_high(box, scale) for box in self._too_low):
            return
        boxes = find_lines(self._models, self._page.halved(halvings), ink=self._ink, scale=scale)
        self._too_low = [box for box in boxes if not _is_high(box, scale)]
        high = [box for box in boxes if _is_high(box, scale)]
        self._tall.append([box for box in high if not is_wide(box)])
        self._take([box for box in high if is_wide(box)], least=_CERTAIN)

    def read_rest(self) -> None:
        """Read all that is found on the whole page, and what was only found on a reduced one."""
        pixels = self._page.halved(0)
        if self._read or max(pixels.shape[:2]) > ONE_PASS:
            boxes = find_lines(self._models, pixels, ink=self._ink, scale=1.0)
        else:
            boxes = find_lines_at_once(self._models, pixels)
        self._take(boxes)
        for found in (*self._tall, self._too_low or []):
            read = Boxes(self._read)
            missed = [box for box in found if read.overlap(box) < _MISSED]
            self._take(missed, least=_CERTAIN)

    def read_at(self, scale: float) -> None:
        """Read what is found at one scale."""
        page = _scaled(self._page.halved(0), scale)
        self._take(find_lines(self._models, page, ink=self._ink, scale=scale))

    def scale_of_all(self) -> float | None:
        """The least at which all lines are found, None if a reduced page does not tell."""
        pixels = self._page.halved(0)
        look = min(_FAST_LOOK / max(pixels.shape[:2]), 1.0)
        ink = Ink(self._page.halved(1))
        boxes = find_lines(self._models, _scaled(pixels, look), ink=ink, scale=look)
        ink.take(boxes)
        if not boxes or ink.largest() > _FAST_UNSEEN:
            return None
        low, high = np.percentile([height(box) for box in boxes], [20, 100], method="lower")
        scale = float(_FAST_HEIGHT / low)
        return scale if scale < 1.0 and high * scale < _FAST_HIGHEST else None

    def all_lines(self) -> list[Line]:
        """Those read, and what looks like a line, once each, and was read at no scale."""
        read = Boxes(self._read)
        # The last first: on a reduced page a paragraph may look like one line.
        refused = reversed(self._refused)
        missed = [
            (box, line)
            for box, line in refused
            if read.overlap(box) < _MISSED and self._ink.part_left(box) >= _LEFT
        ]
        # A box is not always seen to cover itself.
        found = Boxes([box for box, _ in missed])
        unread = [
            replace(line, text="", words=[], confidence=0.0, unread=1.0)
            for box, line in missed
            if any(other is found.covering(box) for other in (None, box))
        ]
        return [*self.lines, *unread]

    def _take(self, boxes: Sequence[Box], *, least: float = 0.0) -> None:
        """Read those of the boxes that are not what was read already, and keep what reads with at
        `least` this confidence."""
        read = Boxes(self._read)
        around = [read.covering(box) for box in boxes]
        new = [
            (box, other is not None)
            for box, other in zip(boxes, around, strict=True)
            if other is None or height(box) < _PART * height(other)
        ]
        lines = read_lines(self._models, self._page, [box for box, _ in new])
        for (box, is_part), line in zip(new, lines, strict=True):
            if is_part and (line.confidence < _CERTAIN or len(line.text) < _LEAST_PART):
                continue
            if (
                not line.text
                or line.confidence < least
                or (least and _DASHES.issuperset(line.text))
            ):
                self._refused.append((box, line))
                continue
            self.lines.append(line)
            self._read.append(box)
        self._ink.take(self._read)


def _is_high(box: Box, scale: float) -> bool:
    return height(box) * scale >= _LEAST_HEIGHT


def _scaled(pixels: Pixels, scale: float) -> Pixels:
    size = max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1)
    scaled: Pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return scaled
