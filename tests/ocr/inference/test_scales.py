"""Text is found whatever its height and the page's size, in memory that does not grow with it."""

from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest

from model.inference.reading import tiles
from model.inference.reading.boxes import joined
from model.inference.reading.engine import Engine
from model.inference.reading.ink import Ink
from model.inference.reading.tiles import ONE_PASS, Pyramid, find_lines
from tests.ocr.inference.drawing import document, text

STROKES = cv2.FONT_HERSHEY_SIMPLEX


def paper(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 255, np.uint8)


def write(page: np.ndarray, text: str, at: tuple[int, int], *, size: float) -> None:
    """Letters of about 22 pixels times `size`; `at` is their lower left."""
    thickness = max(round(size * 2), 1)
    cv2.putText(page, text, at, STROKES, size, (0, 0, 0), thickness, cv2.LINE_AA)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


@dataclass
class SeesWhatIsDark:
    """Finds one box around all dark pixels of each row of them; remembers what it searched."""

    searched: list[tuple[int, int]] = field(default_factory=list)

    def find(self, pixels):
        self.searched.append(pixels.shape[:2])
        dark = (pixels < 128).any(axis=2)
        rows = np.diff(np.concatenate([[0], dark.any(axis=1).astype(int), [0]]))
        found = zip(np.flatnonzero(rows == 1), np.flatnonzero(rows == -1), strict=True)
        boxes = []
        for top, bottom in found:
            columns = np.flatnonzero(dark[top:bottom].any(axis=0))
            boxes.append(box(columns[0], top, columns[-1] + 1, bottom))
        return boxes


def find(page: np.ndarray, models: SeesWhatIsDark) -> list[list[int]]:
    ink = Ink(Pyramid(page).halved(1))
    boxes = find_lines(models, page, ink=ink, scale=1.0)
    return sorted([*map(int, found[0]), *map(int, found[2])] for found in boxes)


def test_a_line_across_seams_and_one_in_the_overlap_are_found_once_each():
    page, models = paper(5000, 2600), SeesWhatIsDark()
    in_the_overlap = tiles._STEP + tiles._OVERLAP // 2
    for top in (300, in_the_overlap):
        page[top : top + 40, 200:4800] = 0
    assert find(page, models) == [
        [200, 300, 4800, 340],
        [200, in_the_overlap, 4800, in_the_overlap + 40],
    ]


def test_no_more_than_a_tile_is_searched_at_once_and_blank_ones_are_not():
    page, models = paper(6000, 6000), SeesWhatIsDark()
    page[5500:5540, 5500:5600] = 0
    assert find(page, models) == [[5500, 5500, 5600, 5540]]
    [(height, width)] = models.searched
    assert max(height, width) <= ONE_PASS / 4


def test_faint_small_text_on_rough_paper_is_no_blank():
    rng = np.random.default_rng(1)
    page = (paper(2400, 2400) - rng.normal(20, 3, (2400, 2400, 1))).clip(0, 255).astype(np.uint8)
    cv2.putText(page, "faint", (1200, 1200), STROKES, 0.4, (185, 185, 185), 1, cv2.LINE_AA)
    bounds = Ink(Pyramid(page).halved(1)).bounds((0, 0, 2400, 2400))
    assert bounds is not None
    left, top, right, bottom = bounds
    assert left <= 1200 < right
    assert top <= 1195 < bottom


def test_what_was_read_is_no_ink_any_more():
    page = paper(2400, 2400)
    page[100:200, 100:2000] = 0
    page[2000:2020, 300:500] = 0
    ink = Ink(Pyramid(page).halved(1))
    ink.take([box(95, 95, 2005, 205)])
    left, top, right, _ = ink.bounds((0, 0, 2400, 2400))
    assert top > 1900
    assert (left, right) == (max(left, 240), min(right, 560))


def test_pieces_of_a_line_that_lies_askew_become_one_and_its_neighbours_stay_apart():
    def piece(left: float, right: float, first: float) -> np.ndarray:
        top, bottom = first + 0.03 * left, first + 0.03 * right
        corners = [(left, top), (right, bottom), (right, bottom + 30), (left, top + 30)]
        return np.array(corners, np.float32)

    pieces = [(0, piece(100, 1600, 50)), (1, piece(1450, 2900, 50)), (1, piece(1450, 2900, 92))]
    first, second = sorted(joined(pieces), key=lambda found: found[0][1])
    assert first[0] == pytest.approx((100, 53), abs=2)
    assert first[2] == pytest.approx((2900, 167), abs=2)
    assert second == pytest.approx(pieces[2][1], abs=1)


def test_one_letter_of_a_line_that_another_tile_sees_alone_is_no_line_of_its_own():
    line, letter = box(1107, 869, 1498, 898), box(1480, 869, 1498, 898)
    assert [found.tolist() for found in joined([(0, line), (1, letter)])] == [line.tolist()]
    below = box(1480, 910, 1498, 960)
    assert len(joined([(0, line), (1, below)])) == 2


def test_giant_letters_and_a_small_line_are_both_read(inference):
    page = paper(1100, 900)
    write(page, "EXIT", (60, 500), size=13)
    write(page, "Use the stairs in case of fire", (60, 800), size=0.8)
    said = {line.text.replace(" ", "") for line in inference._engine.read(page)}
    assert said == {"EXIT", "Usethestairsincaseoffire"}


@pytest.mark.parametrize("quality", [pytest.param("accurate", marks=pytest.mark.slow), "fast"])
def test_a_page_larger_than_a_pass_loses_nothing(inference, quality):
    page = paper(3200, 2300)
    said = ["In the first corner", "in the middle, over the seam", "and the last corner"]
    for sentence, at in zip(said, ((40, 60), (1300, 1550), (2800, 2260)), strict=True):
        write(page, sentence, at, size=0.9)
    lines = inference._engine.read(page, quality)
    assert sorted(line.text for line in lines) == sorted(said)
    assert all(line.confidence > 0.9 for line in lines)


class Recording:
    """Says how many pixels were searched."""

    def __init__(self, models) -> None:
        self._models, self.searched = models, 0

    def find(self, pixels):
        self.searched += pixels.shape[0] * pixels.shape[1]
        return self._models.find(pixels)

    def read(self, pictures):
        return self._models.read(pictures)


@pytest.mark.slow
def test_a_fast_reading_searches_less_and_says_the_same(inference):
    page = paper(1200, 1600)
    for number in range(8):
        write(page, f"This is line {number} of eight", (100, 150 + 60 * number), size=1)
    said, searched = {}, {}
    for quality in ("accurate", "fast"):
        models = Recording(inference._engine._models)
        said[quality] = sorted(line.text for line in Engine(models).read(page, quality))
        searched[quality] = models.searched
    assert said["fast"] == said["accurate"]
    assert len(said["fast"]) == 8
    assert searched["fast"] < searched["accurate"] / 2


def test_a_fast_reading_of_a_page_with_giant_and_small_letters_loses_neither(inference):
    page = paper(1100, 900)
    write(page, "EXIT", (60, 500), size=13)
    write(page, "Use the stairs in case of fire", (60, 800), size=0.6)
    said = {line.text.replace(" ", "") for line in inference._engine.read(page, "fast")}
    assert said == {"EXIT", "Usethestairsincaseoffire"}


@pytest.mark.slow
def test_a_receipt_of_ten_thousand_pixels_is_read_to_its_end(inference):
    page = paper(500, 10_000)
    for number, top in enumerate(range(60, 9990, 50)):
        write(page, f"Line {number} {number * 7 % 90}.50", (30, top), size=0.8)
    lines = sorted(inference._engine.read(page), key=lambda line: line.quad[0][1])
    said = [line.text.replace(" ", "") for line in lines]
    assert said == [f"Line{number}{number * 7 % 90}.50" for number in range(len(said))]
    assert len(said) == 199


@pytest.mark.slow
def test_a_column_of_low_lines_is_not_read_as_one_high_line_of_dashes(read):
    words = ("Oranges", "Albright", "Coal", "Lamp oil", "Candles")
    rows = [[f"{word} {row}" for word in words] for row in range(13)]
    cells = [
        text(cell, x=56 + 99 * column, y=730 - 24 * row)
        for row, named in enumerate(rows)
        for column, cell in enumerate(named)
    ]
    result = read(document(" ".join(cells), size=(595, 842)), text="ocr")
    assert result.lines() == ["\t".join(row) for row in rows]
    assert result.outputs.result["warnings"] == []
