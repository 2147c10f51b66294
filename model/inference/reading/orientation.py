"""Turning a page upright: a page that reads badly is read again the other way round."""

from collections.abc import Callable, Sequence

import cv2

from .layout import is_wide
from .reading import Line, Pixels

_READS_WELL = 0.9  # upright pages have about 0.99 on average, turned ones about 0.65
_READS = 0.8  # less than this never justifies turning: a page in vertical Japanese stays as it is
_TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}

Read = Callable[[Pixels], list[Line]]


def read_upright(read: Read, pixels: Pixels) -> tuple[Pixels, int, list[Line]]:
    """The upright page, how far it was turned (degrees clockwise), and its lines."""
    lines = read(pixels)
    best, score = (pixels, 0, lines), _score(lines)
    for rotation in _worth_trying(lines, score):
        turned: Pixels = cv2.rotate(pixels, _TURNS[rotation])
        lines = read(turned)
        if _score(lines) > max(score, _READS):
            best, score = (turned, rotation, lines), _score(lines)
        if score >= _READS_WELL:
            break
    return best


def _worth_trying(lines: Sequence[Line], score: float) -> Sequence[int]:
    if not lines or score >= _READS_WELL:
        return ()
    tall = sum(len(line.text) for line in lines if not is_wide(line.quad))
    if 2 * tall > sum(len(line.text) for line in lines):
        return (90, 270)
    return (180,)


def _score(lines: Sequence[Line]) -> float:
    """How well the page reads as it lies, 0 to 1: lines that run down the page do not count."""
    characters = sum(len(line.text) for line in lines)
    well = sum(line.confidence * len(line.text) for line in lines if is_wide(line.quad))
    return well / characters if characters else 0.0
