"""Where a page's text comes from: what is drawn is read, or the document's own text is taken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..settings import TextMode
from .reading import Line, PageImage, Pixels, Point, Quad, TextSource

_NO_LAYER = "has no text of its own, and was not to be read by OCR; send text: auto"
_TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}

ReadUpright = Callable[[Pixels], tuple[Pixels, int, list[Line]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class PageText:
    """A page's lines, in no order, with the upright page that they are on."""

    pixels: Pixels
    rotation: int
    lines: Sequence[Line]
    source: TextSource
    warnings: Sequence[str] = ()


def read_text(read_upright: ReadUpright, image: PageImage, mode: TextMode) -> PageText:
    """`layer` where no OCR was needed: a page that shows more than its layer says is read beside
    it, and what that finds comes in addition."""
    if mode == "ocr" or (mode == "auto" and image.layer is None):
        pixels, rotation, lines = read_upright(image.pixels)
        return PageText(pixels=pixels, rotation=rotation, lines=lines, source="ocr")
    if image.layer is None:
        return PageText(
            pixels=image.pixels, rotation=0, lines=[], source="layer", warnings=[_NO_LAYER]
        )
    if mode == "layer" or image.layer_is_whole:
        return _upright(image.pixels, image.layer)
    return _read_beside(read_upright, image.pixels, image.layer)


def turned_quad(quad: Quad, rotation: int, size: tuple[int, int]) -> Quad:
    """Where it is once the page of `size` (width, height) is turned clockwise."""
    one, two, three, four = (_turned_point(point, rotation, size) for point in quad)
    return one, two, three, four


def _upright(pixels: Pixels, lines: Sequence[Line]) -> PageText:
    """Turned so that most characters are read from left to right."""
    characters = dict.fromkeys((0, 90, 180, 270), 0)
    for line in lines:
        characters[0 if line.vertical else _needed_turn(line.quad)] += len(line.text)
    rotation = max(characters, key=characters.__getitem__)
    size = (pixels.shape[1], pixels.shape[0])
    if rotation:
        pixels = cv2.rotate(pixels, _TURNS[rotation])
    return PageText(
        pixels=pixels,
        rotation=rotation,
        lines=[_turned(line, rotation, size) for line in lines],
        source="layer",
    )


def _needed_turn(quad: Quad) -> int:
    (x1, y1), (x2, y2) = quad[0], quad[1]
    across, down = x2 - x1, y2 - y1
    if abs(across) >= abs(down):
        return 0 if across >= 0 else 180
    return 270 if down > 0 else 90


def _read_beside(read_upright: ReadUpright, pixels: Pixels, layer: Sequence[Line]) -> PageText:
    """What the layer says is painted over, and the rest is read."""
    _, rotation, found = read_upright(_without(pixels, layer))
    if not any(line.text for line in found):
        return _upright(pixels, [*layer, *found])
    upright = cv2.rotate(pixels, _TURNS[rotation]) if rotation else pixels
    size = (pixels.shape[1], pixels.shape[0])
    lines = [*found, *(_turned(line, rotation, size) for line in layer)]
    return PageText(pixels=upright, rotation=rotation, lines=lines, source="ocr")


def _without(pixels: Pixels, lines: Sequence[Line]) -> Pixels:
    painted = pixels.copy()
    for line in lines:
        for word in line.words:
            corners = np.array(word.quad).round().astype(np.int32)
            left, top = np.maximum(corners.min(axis=0) - 1, 0)
            right, bottom = corners.max(axis=0) + 2
            part = pixels[top:bottom, left:right]
            if part.size:
                # What most of it shows is the paper, or the colour that is behind the letters.
                paper = np.median(part.reshape(-1, 3), axis=0)
                cv2.fillConvexPoly(painted, corners, [int(value) for value in paper])
    return painted


def _turned(line: Line, rotation: int, size: tuple[int, int]) -> Line:
    if not rotation:
        return line
    words = [replace(word, quad=turned_quad(word.quad, rotation, size)) for word in line.words]
    return replace(line, quad=turned_quad(line.quad, rotation, size), words=words)


def _turned_point(point: Point, rotation: int, size: tuple[int, int]) -> Point:
    (x, y), (width, height) = point, size
    match rotation:
        case 90:
            return height - y, x
        case 180:
            return width - x, height - y
        case 270:
            return y, width - x
        case _:
            return point
