"""Lines are put in the order in which a person reads them."""

import random

from hypothesis import given
from hypothesis import strategies as st

from model.inference.reading.layout import arrange
from model.inference.reading.reading import Line, Word
from model.inference.reading.words import split_words


def line(text: str, x: float, y: float, *, width: float = 100, height: float = 20) -> Line:
    quad = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    word = Word(text=text, confidence=0.9, quad=quad, start=0)
    return Line(text=text, confidence=0.9, quad=quad, words=[word])


def texts(lines: list[Line]) -> list[str]:
    return [found.text for block in arrange(lines) for found in block.lines]


@given(st.randoms(use_true_random=False), st.integers(1, 8))
def test_rows_go_from_top_to_bottom_at_any_resolution(rng, scale):
    lines = [
        line(f"line {row}", 50, row * 30 * scale, width=400 * scale, height=20 * scale)
        for row in range(12)
    ]
    shuffled = rng.sample(lines, len(lines))
    assert texts(shuffled) == [found.text for found in lines]


def test_cells_of_a_row_go_from_left_to_right_even_when_they_are_not_level():
    cells = [line("name", 50, 104), line("amount", 300, 99), line("total", 550, 106)]
    assert texts(random.Random(1).sample(cells, 3)) == ["name", "amount", "total"]


def test_rows_of_a_page_that_lies_askew_stay_apart():
    def askew(text: str, x: float, row: int) -> Line:
        top = 100 + 30 * row + 0.02 * x
        quad = ((x, top), (x + 100, top + 2), (x + 100, top + 22), (x, top + 20))
        return Line(text=text, confidence=1, quad=quad, words=[])

    cells = [askew(f"{row} {column}", 400 * column, row) for row in range(4) for column in range(4)]
    assert texts(cells[::-1]) == [cell.text for cell in cells]


def test_a_line_found_in_two_pieces_becomes_one():
    [block] = arrange([line("in two", 165, 11), line("A line", 50, 10)])
    [joined] = block.lines
    assert joined.text == "A line in two"
    assert [word.start for word in joined.words] == [0, 7]
    assert joined.quad == ((50, 10), (265, 11), (265, 31), (50, 30))


def test_chinese_pieces_are_joined_without_a_space():
    assert texts([line("今天天气", 50, 10), line("很好", 160, 10)]) == ["今天天气很好"]


def test_columns_of_a_table_stay_apart():
    assert texts([line("12", 50, 10), line("Reams of paper", 200, 10)]) == ["12", "Reams of paper"]


def test_nothing_gives_nothing():
    assert arrange([]) == []


def test_words_lie_between_the_middles_of_their_neighbours():
    quad = ((0.0, 0.0), (100.0, 0.0), (100.0, 10.0), (0.0, 10.0))
    words = split_words(
        "ab cd",
        centres=[0.1, 0.3, 0.5, 0.7, 0.9],
        confidences=[1.0, 0.5, 0.0, 0.8, 0.6],
        quad=quad,
    )
    assert [(word.text, word.start) for word in words] == [("ab", 0), ("cd", 3)]
    assert [word.confidence for word in words] == [0.75, 0.7]
    assert [(round(word.quad[0][0]), round(word.quad[1][0])) for word in words] == [
        (0, 40),
        (60, 100),
    ]
