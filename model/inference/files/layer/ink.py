"""What is drawn on a rendered page, to compare with what its text layer says."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from ...reading.reading import Pixels, Quad

_DPI = 100.0  # enough to tell letters of 6 points from specks
_CONTRAST = 40  # of 255: how far ink differs from the paper around it
_FAINT_CONTRAST = 20  # what is between this and the paper is not seen
_SEEN_WORDS = 0.5
_PAPER_POINTS = 15.0  # what is wider than this all around is no letter, but what letters lie on
_LETTER_POINTS = (2.5, 60.0)  # heights
_MOST_STRETCHED = 12.0  # letters that touch are wide; rules are wider
_LETTERS_IN_ROW = 3
_LEAST_LETTERS = 6  # beside the layer, in rows

Mask = npt.NDArray[np.uint8]


class PageInk:
    """A page's ink, at a resolution of its own."""

    def __init__(self, pixels: Pixels, *, dpi: float) -> None:
        self._scale = min(_DPI / dpi, 1.0)
        self._points = dpi * self._scale / 72  # pixels to one
        grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        if self._scale < 1:
            grey = cv2.resize(
                grey, None, fx=self._scale, fy=self._scale, interpolation=cv2.INTER_AREA
            )
        self._grey: Mask = np.asarray(grey, np.uint8)

    def is_seen(self, quads: Sequence[Quad]) -> bool:
        """Whether something is drawn in most of the quads."""
        seen = 0
        for quad in quads:
            left, top, right, bottom = self._box(quad)
            part = self._grey[top:bottom, left:right]
            if part.size:
                darkest, brightest, *_ = cv2.minMaxLoc(part)
                seen += brightest - darkest > _FAINT_CONTRAST
        return seen > _SEEN_WORDS * len(quads)

    def has_text_beside(self, quads: Iterable[Quad]) -> bool:
        """Whether letters seem to stand in rows outside of the quads."""
        height, width = self._grey.shape
        told: Mask = np.zeros((height, width), np.uint8)
        for quad in quads:
            corners = (np.array(quad) * self._scale).round().astype(np.int32)
            cv2.fillConvexPoly(told, corners, 255)
        reach = 2 * max(round(self._points), 1) + 1
        told = np.asarray(cv2.dilate(told, np.ones((reach, reach), np.uint8)), np.uint8)
        ink = np.where(told > 0, 0, self._ink()).astype(np.uint8)
        return bool(_letters_in_rows(self._letters(ink)) >= _LEAST_LETTERS)

    def _ink(self) -> Mask:
        """What is darker, or brighter, than the paper around it."""
        small = cv2.resize(self._grey, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        reach = 2 * round(_PAPER_POINTS * self._points / 4) + 1
        paper = cv2.resize(cv2.medianBlur(small, reach), self._grey.shape[::-1])
        return np.asarray(cv2.absdiff(self._grey, paper) > _CONTRAST, np.uint8)

    def _letters(self, ink: Mask) -> npt.NDArray[np.int32]:
        """Left, top, width and height of what may be a letter, or several that touch."""
        _, _, found, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
        boxes = found[1:]
        widths, heights, areas = (
            boxes[:, place] for place in (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA)
        )
        lowest, highest = (points * self._points for points in _LETTER_POINTS)
        is_letter = (
            (heights >= lowest)
            & (heights <= highest)
            & (widths <= _MOST_STRETCHED * heights)
            & (heights <= _MOST_STRETCHED * widths)
            & (areas > 0.1 * widths * heights)
            & (areas < 0.95 * widths * heights)
        )
        letters: npt.NDArray[np.int32] = boxes[is_letter][:, :4].astype(np.int32)
        return letters

    def _box(self, quad: Quad) -> tuple[int, int, int, int]:
        xs, ys = [x * self._scale for x, _ in quad], [y * self._scale for _, y in quad]
        return (
            max(int(min(xs)), 0),
            max(int(min(ys)), 0),
            max(round(max(xs)), int(min(xs)) + 1),
            max(round(max(ys)), int(min(ys)) + 1),
        )


def _letters_in_rows(letters: npt.NDArray[np.int32]) -> int:
    """How many have neighbours of about their height, on their level, with little between."""
    in_rows, row = 0, 1
    ordered = letters[np.lexsort((letters[:, 0], (letters[:, 1] + letters[:, 3]) // 4))]
    for (left, top, width, height), following in pairwise(ordered):
        gap = int(following[0]) - int(left + width)
        taller, smaller = max(height, following[3]), min(height, following[3])
        level = abs((2 * top + height) - (2 * following[1] + following[3])) / 2
        if -0.2 * taller <= gap <= 1.2 * taller and taller < 2.2 * smaller and level < taller / 2:
            row += 1
            continue
        in_rows, row = in_rows + (row if row >= _LETTERS_IN_ROW else 0), 1
    return in_rows + (row if row >= _LETTERS_IN_ROW else 0)
