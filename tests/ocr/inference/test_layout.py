"""Lines are put in the order in which a person reads them."""

import random
import time

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


def prose(column: int, *, x: float, y: float = 100, rows: int = 8, step: float = 30) -> list[Line]:
    return [
        line(f"column {column} has words {row}", x, y + row * step, width=380 - row % 3 * 20)
        for row in range(rows)
    ]


def kinds(lines: list[Line]) -> list[tuple[str, int]]:
    return [(block.kind, len(block.rows)) for block in arrange(lines)]


def cells(lines: list[Line]) -> list[list[str | None]]:
    [table] = [block for block in arrange(lines) if block.kind == "table"]
    return [[cell.text if cell else None for cell in row] for row in table.rows]


@given(st.randoms(use_true_random=False), st.sampled_from([0, 7, 15]), st.integers(2, 4))
def test_columns_of_prose_are_read_one_after_the_other_level_or_not(rng, lower, count):
    columns = [
        prose(column, x=50 + 420 * column, y=100 + lower * column) for column in range(count)
    ]
    lines = [found for column in columns for found in column]
    assert texts(rng.sample(lines, len(lines))) == [found.text for found in lines]


def test_a_heading_across_columns_parts_what_is_above_from_what_is_below():
    above = [*prose(0, x=50), *prose(1, x=470)]
    heading = line("A heading across both", 200, 380, width=500, height=36)
    below = [*prose(2, x=50, y=460), *prose(3, x=470, y=460)]
    assert texts([*below, heading, *above]) == [found.text for found in [*above, heading, *below]]
    assert ("heading", 1) in kinds([*above, heading, *below])


def test_a_short_heading_over_columns_that_go_on_below_it_parts_them_too():
    above = [*prose(0, x=50), *prose(1, x=470)]
    heading = line("Short", 50, 380, width=90, height=36)
    below = [*prose(2, x=50, y=460), *prose(3, x=470, y=460)]
    assert texts([*below, heading, *above]) == [found.text for found in [*above, heading, *below]]


def test_a_table_is_read_by_rows_with_none_in_its_empty_cells():
    rows = [("Item", "Pieces", "Price"), ("Coal", "3", "2.25"), ("Lamp oil", None, "4.00")]
    lines = [
        line(text, 50 + 250 * column, 100 + 40 * row, width=12 * len(text))
        for row, texts_of_row in enumerate(rows)
        for column, text in enumerate(texts_of_row)
        if text
    ]
    assert cells(lines[::-1]) == [list(row) for row in rows]


def test_a_receipt_is_read_by_rows_under_its_shop_s_name():
    goods = [("Milk", "1.20"), ("Bread", "12.10"), ("Dish soap", "3.49")]
    lines = [line("CORNER STORE", 120, 20, width=180)]
    for row, (name, price) in enumerate(goods):
        lines.append(line(name, 20, 80 + 30 * row, width=12 * len(name)))
        lines.append(line(price, 380 - 12 * len(price), 80 + 30 * row, width=12 * len(price)))
    assert texts(lines)[0] == "CORNER STORE"
    assert cells(lines) == [list(row) for row in goods]


def test_a_table_between_prose_has_no_line_of_it():
    above = [line(f"prose above {row}", 50, 100 + 30 * row, width=800) for row in range(4)]
    table = [
        line(f"{column}{row}", 50 + 300 * column, 260 + 30 * row, width=60)
        for row in range(4)
        for column in range(3)
    ]
    below = [line(f"prose below {row}", 50, 420 + 30 * row, width=800) for row in range(4)]
    assert kinds([*above, *table, *below]) == [("text", 4), ("table", 4), ("text", 4)]


def test_numbers_before_paragraphs_are_of_their_lines():
    lines = []
    for number in range(3):
        lines.append(line(f"{number + 1}.", 50, 100 + 90 * number, width=20))
        lines += [
            line(f"item {number} has words {row}", 100, 100 + 90 * number + 28 * row, width=500)
            for row in range(3)
        ]
    said = texts(lines)
    assert said[0] == "1. item 0 has words 0"
    assert said[3] == "2. item 1 has words 0"
    assert len(said) == 9


def test_quantities_under_their_heading_are_cells_and_no_numbers_of_a_list():
    rows = [("Quantity", "Description"), ("40", "Reams of white paper, 90 grams")]
    rows += [("6", "Boxes of brown envelopes, small"), ("2", "Rolls of bookbinding cloth, blue")]
    lines = [
        line(text, 50 + 230 * column, 100 + 40 * row, width=11 * len(text))
        for row, texts_of_row in enumerate(rows)
        for column, text in enumerate(texts_of_row)
    ]
    assert cells(lines) == [list(row) for row in rows]


def test_notes_in_the_margin_and_at_the_foot_are_blocks_of_their_own():
    body = [line(f"a line of the body, number {row}", 50, 100 + 30 * row, width=600)
            for row in range(20)]  # fmt: skip
    margin = [line("see the minutes", 720, 131 + 23 * row, width=140, height=14)
              for row in range(3)]  # fmt: skip
    foot = line("1 a note at the foot of the page", 50, 760, width=300, height=14)
    said = kinds([*body, *margin, foot])
    assert said.count(("note", 3)) == said.count(("note", 1)) == 1
    assert sum(rows for kind, rows in said if kind == "text") == 20


def test_addresses_that_are_not_beside_each_other_are_no_columns():
    sender = [line(f"sender {row}", 600, 50 + 30 * row) for row in range(3)]
    receiver = [line(f"receiver {row}", 50, 200 + 30 * row) for row in range(3)]
    date = line("4 May", 600, 350)
    lines = [*sender, *receiver, date]
    assert texts(lines[::-1]) == [found.text for found in lines]


def test_words_of_a_text_layer_become_lines_before_columns_are_looked_for():
    words = [
        line(f"{column}.{row}.{place}", 50 + 420 * column + 66 * place, 100 + 30 * row, width=60)
        for column in range(2)
        for row in range(6)
        for place in range(6)
    ]
    said = texts(random.Random(2).sample(words, len(words)))
    assert said[0] == "0.0.0 0.0.1 0.0.2 0.0.3 0.0.4 0.0.5"
    assert [text[:3] for text in said] == [
        f"{column}.{row}" for column in range(2) for row in range(6)
    ]


def test_vertical_lines_go_from_right_to_left():
    def column(text: str, x: float) -> Line:
        quad = ((x + 30, 50), (x + 30, 500), (x, 500), (x, 50))
        return Line(text=text, confidence=1, quad=quad, words=[], vertical=True)

    assert texts([column("右", 300), column("左", 100), column("中", 200)]) == ["右", "中", "左"]


PLACES = st.tuples(
    st.integers(0, 900), st.integers(0, 900), st.integers(10, 500), st.integers(8, 60)
)


@given(st.lists(PLACES, max_size=40))
def test_wherever_lines_are_each_is_in_one_block_once(places):
    lines = [
        line(f"<{number}>", x, y, width=width, height=height)
        for number, (x, y, width, height) in enumerate(places)
    ]
    said = "".join(texts(lines)).replace(" ", "")
    assert (
        sorted(said.strip("<>").split("><")) == sorted(str(number) for number in range(len(lines)))
        or not lines
    )


def test_hundreds_of_labels_of_a_drawing_are_arranged_in_seconds():
    rng = random.Random(1)
    lines = [
        line(f"label {number}", rng.uniform(0, 14_000), rng.uniform(0, 9900))
        for number in range(800)
    ]
    started = time.process_time()
    arrange(lines)
    assert time.process_time() - started < 20
