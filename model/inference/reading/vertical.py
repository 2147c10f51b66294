"""Lines whose characters stand upright one below the other, as Japanese and Chinese have them."""

from itertools import pairwise

import cv2
import numpy as np

from .models import LineReading, Models
from .reading import Pixels
from .words import is_ideographic

_READS_WELL = 0.9
_LEAST_CHARACTERS = 2
_CELL = 0.95  # of the line's breadth: pieces of ink that are together no higher are one character


def read_vertical(models: Models, picture: Pixels, lying: LineReading) -> LineReading | None:
    """The line read character below character, None if that is not how it runs.

    `picture` is the line turned to lie, `lying` what it says like that: a line of a page that was
    turned reads well lying, but not as upright characters.
    """
    if lying.text and not is_ideographic(lying.text):
        return None
    column = np.ascontiguousarray(np.rot90(picture, -1))
    cells = _cells(column)
    if len(cells) < _LEAST_CHARACTERS:
        return None
    [reading] = models.read([_side_by_side(column, cells)])
    if reading.confidence < _READS_WELL or not is_ideographic(reading.text):
        return None
    edges = [
        cells[0][0],
        *((end + start) / 2 for (_, end), (start, _) in pairwise(cells)),
        cells[-1][1],
    ]
    places = np.linspace(0, 1, len(edges))
    centres = np.interp(reading.centres, places, np.array(edges) / len(column))
    return LineReading(
        text=reading.text,
        confidence=reading.confidence,
        centres=[float(centre) for centre in centres],
        confidences=reading.confidences,
    )


def _cells(column: Pixels) -> list[tuple[int, int]]:
    """Where the characters begin and end, from the top."""
    grey = cv2.cvtColor(column, cv2.COLOR_BGR2GRAY)
    _, dark = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
    ink = dark if 2 * int(dark.sum()) < dark.size else 1 - dark
    edges = np.flatnonzero(np.diff(np.concatenate([[0], ink.any(axis=1).astype(np.int8), [0]])))
    cells: list[tuple[int, int]] = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if cells and end - cells[-1][0] <= _CELL * column.shape[1]:
            cells[-1] = (cells[-1][0], end)
        else:
            cells.append((start, end))
    return cells


def _side_by_side(column: Pixels, cells: list[tuple[int, int]]) -> Pixels:
    """The characters as a line from left to right, each in a square as broad as the column."""
    side = column.shape[1]
    squares = []
    for start, end in cells:
        middle = (start + end) // 2
        half = max(side, end - start) // 2
        square = column[max(middle - half, 0) : middle + half]
        squares.append(
            cv2.resize(_only(square, start - max(middle - half, 0), end - start), (side, side))
        )
    return np.hstack(squares)


def _only(square: Pixels, start: int, length: int) -> Pixels:
    """The square without what is above and below a character: its neighbours."""
    paper = np.median(square.reshape(-1, 3), axis=0)
    alone = np.empty_like(square)
    alone[:] = paper
    alone[start : start + length] = square[start : start + length]
    return alone
