"""Where on a page there may be text that has not been read yet."""

from collections.abc import Sequence

import cv2
import numpy as np

from .models import Box
from .reading import Pixels

_CELL = 16  # pixels of the page
_CONTRAST = 10  # of 255, of a cell that is not blank: faint text on a clean page has 15 and more
_MOST_NOISE = 40  # paper that looks rougher than this is a picture, which may have text on it
_MARGIN = 48  # pixels around what is searched: the models want to see where a line ends
_AROUND = 0.3  # of a line's height: strokes that reach out of its box

Bounds = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""


class Ink:
    """Cells of a page that are not blank, and hold no line that was read."""

    def __init__(self, halved: Pixels) -> None:
        """Of the page that is given at half its size."""
        self._cells = _cells_with_ink(halved)

    def take(self, boxes: Sequence[Box]) -> None:
        """What is in the boxes has been read."""
        for box in boxes:
            (x, y), (width, height), angle = cv2.minAreaRect(box)
            around = 2 * _AROUND * min(width, height)
            larger = cv2.boxPoints(((x, y), (width + around, height + around), angle))
            cv2.fillConvexPoly(self._cells, (larger / _CELL - 0.5).round().astype(np.int32), 0)

    def largest(self) -> int:
        """How many cells there are at most side by side."""
        _, _, areas, _ = cv2.connectedComponentsWithStats(self._cells)
        return int(areas[1:, cv2.CC_STAT_AREA].max(initial=0))

    def part_left(self, box: Box) -> float:
        """Of the box's cells, those that may hold text that has not been read."""
        inside = np.zeros_like(self._cells)
        cv2.fillConvexPoly(inside, (box / _CELL - 0.5).round().astype(np.int32), 1)
        return float((self._cells & inside).sum() / max(int(inside.sum()), 1))

    def bounds(self, area: Bounds) -> Bounds | None:
        """What of the area there is to search, None if it is blank."""
        left, top, right, bottom = area
        cells = self._cells[top // _CELL : -(-bottom // _CELL), left // _CELL : -(-right // _CELL)]
        rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
        if not rows.size:
            return None
        x, y = left // _CELL, top // _CELL
        return (
            max(int(x + columns[0]) * _CELL - _MARGIN, left),
            max(int(y + rows[0]) * _CELL - _MARGIN, top),
            min(int(x + columns[-1] + 1) * _CELL + _MARGIN, right),
            min(int(y + rows[-1] + 1) * _CELL + _MARGIN, bottom),
        )


def _cells_with_ink(halved: Pixels) -> Pixels:
    # From the page at half its size: the noise of a scan averages out, a stroke of text does not.
    grey = cv2.cvtColor(halved, cv2.COLOR_BGR2GRAY)
    half = _CELL // 2
    around = np.ones((half + 2, half + 2), np.uint8)
    rough = cv2.dilate(grey, around) - cv2.erode(grey, around)
    rough = rough[
        min(half // 2, len(rough) - 1) :: half, min(half // 2, rough.shape[1] - 1) :: half
    ]
    noise = min(float(np.percentile(rough, 10)) * 1.3, _MOST_NOISE)
    cells: Pixels = (rough > noise + _CONTRAST).astype(np.uint8)
    return cells
