"""From the box around a line to its text: the line is cut out of the page and read."""

from collections.abc import Sequence

import numpy as np
from rapidocr.utils.process_img import get_rotate_crop_image

from .boxes import height
from .models import Box, LineReading, Models
from .reading import Line, Pixels, Quad
from .tiles import Pyramid
from .unread import unread_part
from .vertical import read_vertical
from .words import split_words

_READ_HEIGHT = 48  # what the model makes of a line: one twice as high is halved first
_TURNED_LINE = 1.5  # rapidocr turns a line image that is this much taller than wide


def read_lines(models: Models, page: Pyramid, boxes: Sequence[Box]) -> list[Line]:
    """The line in each box, without text where none can be read. Large ones are read reduced."""
    pictures = [_cut_out(page, box) for box in boxes]
    tall = [_is_tall(box) for box in boxes]
    readings = models.read(pictures)
    lines: list[Line] = []
    for box, picture, is_tall, reading in zip(boxes, pictures, tall, readings, strict=True):
        upright = read_vertical(models, picture, reading) if is_tall else None
        quad = _as_read(box, is_tall)
        lines.append(_line(quad, picture, upright or reading, vertical=upright is not None))
    return lines


def _cut_out(page: Pyramid, box: Box) -> Pixels:
    halvings = max(int(np.log2(max(height(box), 1.0) / _READ_HEIGHT)), 0)
    picture: Pixels = get_rotate_crop_image(page.halved(halvings), box / np.float32(2**halvings))
    return picture


def _line(quad: Quad, picture: Pixels, reading: LineReading, *, vertical: bool) -> Line:
    if not reading.text:
        return Line(text="", confidence=0.0, quad=quad, words=[], unread=1.0)
    words = split_words(
        reading.text, centres=reading.centres, confidences=reading.confidences, quad=quad
    )
    return Line(
        text=reading.text,
        confidence=reading.confidence,
        quad=quad,
        words=words,
        vertical=vertical,
        unread=unread_part(
            picture, reading.text, centres=reading.centres, confidences=reading.confidences
        ),
    )


def _is_tall(box: Box) -> bool:
    width = max(np.linalg.norm(box[0] - box[1]), np.linalg.norm(box[3] - box[2]))
    height = max(np.linalg.norm(box[0] - box[3]), np.linalg.norm(box[1] - box[2]))
    return int(height) >= int(width) * _TURNED_LINE


def _as_read(box: Box, is_tall: bool) -> Quad:
    top_left, top_right, bottom_right, bottom_left = ((float(x), float(y)) for x, y in box)
    if is_tall:  # read from its top to its bottom
        return (top_right, bottom_right, bottom_left, top_left)
    return (top_left, top_right, bottom_right, bottom_left)
