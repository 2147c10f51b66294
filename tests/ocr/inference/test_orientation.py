"""Pages are turned upright; a large one is tried on a part of it, and vertical text stays."""

import cv2
import numpy as np
from PIL import Image

from model.inference.reading.orientation import read_upright
from model.inference.reading.reading import Line
from tests.ocr.inference.conftest import EXAMPLES


class ReadsUpright:
    """Lines are dark on white, and read well where a grey mark is at their left."""

    def __init__(self) -> None:
        self.pixels = 0

    def __call__(self, page):
        self.pixels += page.size // 3
        dark = (page[:, :, 0] < 60).astype(np.uint8)
        count, _, places, _ = cv2.connectedComponentsWithStats(dark)
        return [self._line(page, *places[number][:4]) for number in range(1, count)]

    @staticmethod
    def _line(page, x, y, width, height):
        before = page[y + height // 2, max(x - width // 20, 0), 0]
        quad = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
        if height > width:
            quad = (quad[1], quad[2], quad[3], quad[0])
        sure = 0.99 if width > height and before < 200 else 0.4
        return Line(text="some words", confidence=sure, quad=quad, words=[])


def large_page() -> np.ndarray:
    page = np.full((4000, 3000, 3), 255, np.uint8)
    for top in range(400, 1600, 60):
        page[top : top + 30, 400:1400] = 0
        page[top : top + 30, 300:400] = 128
    return page


def test_a_large_page_that_lies_upright_is_read_once():
    page, read = large_page(), ReadsUpright()
    upright, rotation, lines = read_upright(read, page)
    assert (rotation, len(lines), read.pixels) == (0, 20, page.size // 3)
    assert upright is page


def test_a_large_page_that_was_turned_is_tried_on_a_part():
    page = large_page()
    for rotation, turn in ((90, cv2.ROTATE_90_COUNTERCLOCKWISE), (180, cv2.ROTATE_180)):
        read = ReadsUpright()
        upright, found, lines = read_upright(read, cv2.rotate(page, turn))
        assert (found, len(lines)) == (rotation, 20)
        assert np.array_equal(upright, page)
        assert read.pixels < 3 * page.size // 3


def vertical_page() -> np.ndarray:
    """The first lines of notice-ja.png, their characters one below the other, from the right."""
    page = np.asarray(Image.open(EXAMPLES / "notice-ja.png").convert("RGB"))
    dark = (page < 128).any(axis=2)
    rows = np.flatnonzero(np.diff(dark.any(axis=1).astype(int)))
    column = np.full((900, 400, 3), 255, np.uint8)
    for number, (top, bottom) in enumerate(zip(rows[2:8:2], rows[3:8:2], strict=True)):
        line = page[top - 3 : bottom + 4]
        ends = np.flatnonzero(dark[top:bottom].any(axis=0))
        pitch = 14 * 150 / 72
        for place in range(min(int((ends[-1] - ends[0]) / pitch) + 1, 25)):
            left = round(ends[0] + place * pitch)
            glyph = line[:, left : left + 29]
            x, y = 320 - number * 60, 40 + place * 33
            column[y : y + glyph.shape[0], x : x + glyph.shape[1]] = glyph
    return column


def test_a_page_of_vertical_japanese_stays_as_it_is(inference):
    page = vertical_page()
    _, rotation, lines = read_upright(inference._engine.read, page)
    assert rotation == 0
    assert len(lines) == 3
    assert all(line.vertical and line.confidence > 0.9 for line in lines)
