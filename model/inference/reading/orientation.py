"""Turning a page upright: a page that reads badly is read again the other way round."""

from collections.abc import Callable, Sequence
from statistics import median

import cv2
import numpy as np

from .reading import Line, Pixels, height_of, is_wide
from .tiles import ONE_PASS

_READS_WELL = 0.9  # upright pages have about 0.99 on average, turned ones about 0.65
_READS = 0.8  # less than this never justifies turning
_SAMPLE = 1600  # pixels a side of the part of a large page that tells how the page lies
_SAMPLE_HEIGHT = 30  # pixels that its lines have, or less
_TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}

Read = Callable[[Pixels], list[Line]]


def read_upright(read: Read, pixels: Pixels) -> tuple[Pixels, int, list[Line]]:
    """The upright page, how far it was turned (degrees clockwise), and its lines.

    A large page that reads badly is tried on a part of it.
    """
    lines = read(pixels)
    if not any(line.text for line in lines) or _score(lines) >= _READS_WELL:
        return pixels, 0, lines
    if max(pixels.shape[:2]) <= ONE_PASS:
        return _best_way(read, pixels, lines)
    part = _part_with_text(pixels, lines)
    _, rotation, _ = _best_way(read, part, read(part))
    if not rotation:
        return pixels, 0, lines
    upright: Pixels = cv2.rotate(pixels, _TURNS[rotation])
    return upright, rotation, read(upright)


def _best_way(read: Read, pixels: Pixels, lines: list[Line]) -> tuple[Pixels, int, list[Line]]:
    best, score = (pixels, 0, lines), _score(lines)
    for rotation in _worth_trying(lines):
        if score >= _READS_WELL:
            break
        turned: Pixels = cv2.rotate(pixels, _TURNS[rotation])
        lines = read(turned)
        if _score(lines) > max(score, _READS):
            best, score = (turned, rotation, lines), _score(lines)
    return best


def _worth_trying(lines: Sequence[Line]) -> Sequence[int]:
    tall = sum(len(line.text) for line in lines if not is_wide(line.quad))
    if 2 * tall > sum(len(line.text) for line in lines):
        return (90, 270)
    return (180,)


def _score(lines: Sequence[Line]) -> float:
    """How well the page reads as it lies, 0 to 1: lines that run down the page do not count, but
    for those whose characters are upright."""
    characters = sum(len(line.text) for line in lines)
    well = sum(
        line.confidence * len(line.text) for line in lines if line.vertical or is_wide(line.quad)
    )
    return well / characters if characters else 0.0


def _part_with_text(pixels: Pixels, lines: Sequence[Line]) -> Pixels:
    """Where most lines are, as large as is read at once, at a scale where their text is read."""
    scale = min(_SAMPLE_HEIGHT / median(height_of(line.quad) for line in lines), 1.0)
    half = _SAMPLE / scale / 2
    middles = np.array([np.mean(line.quad, axis=0) for line in lines])
    # Windows around each line are too many on a page of thousands.
    centres = middles[:: max(len(middles) // 200, 1)]
    counts = [(np.abs(middles - centre) < half).all(axis=1).sum() for centre in centres]
    x, y = centres[int(np.argmax(counts))]
    left, top = max(int(x - half), 0), max(int(y - half), 0)
    part = pixels[top : int(y + half), left : int(x + half)]
    size = max(round(part.shape[1] * scale), 1), max(round(part.shape[0] * scale), 1)
    reduced: Pixels = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return reduced
