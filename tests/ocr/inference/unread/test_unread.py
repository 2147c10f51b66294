"""Text that cannot be read is told of, and ordinary pages are not."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from model.inference import Request
from model.inference.reading.reading import Line
from model.inference.reading.unread import judge, unread_part
from model.inference.settings import InferenceSettings
from tests.ocr.inference.conftest import encoded
from tests.ocr.inference.unread.draw import TEXTS
from truss_outbox import InvalidInputError

PAGES = Path(__file__).parent
QUICK = {"greek", "vietnamese"}


@pytest.fixture
def strict(remembering, reader):
    """Reads with the setting that makes such a page a failure."""
    settings = InferenceSettings.parse({"unreadable": "fail"})
    return reader(type(remembering)(remembering._engine, settings))


def page(name: str) -> Path:
    return PAGES / f"{name}.png"


def named(names, quick):
    slow = {True: (), False: pytest.mark.slow}
    return [pytest.param(name, marks=slow[name in quick]) for name in sorted(names)]


@pytest.mark.parametrize("name", named(TEXTS, QUICK))
def test_a_page_of_letters_that_are_not_known_is_unreadable(read, name):
    result = read(page(name))
    [only] = result.pages()
    assert not only["readable"]
    [warning] = only["warnings"]
    assert ("Vietnamese" if name == "vietnamese" else "cannot be read") in warning
    assert result.outputs.result["unreadable_pages"] == 1
    assert result.outputs.result["warnings"] == [f"page 1: {warning}"]


def test_an_unreadable_page_fails_where_the_request_says_so(read):
    with pytest.raises(InvalidInputError, match=r"page 1: 9\d% of the text.*unreadable to warn"):
        read(page("russian"), unreadable="fail")


def test_an_unreadable_page_fails_where_the_setting_says_so(strict):
    with pytest.raises(InvalidInputError, match="page 1: text in Vietnamese"):
        strict(page("vietnamese"))


def test_a_request_goes_before_the_setting(strict):
    assert strict(page("russian"), unreadable="warn").outputs.result["unreadable_pages"] == 1


def test_a_readable_page_does_not_fail(strict, card):
    assert strict(encoded(card, "PNG")).outputs.result["unreadable_pages"] == 0


def test_what_becomes_of_unreadable_pages_is_one_of_two():
    with pytest.raises(ValidationError, match="unreadable"):
        Request.model_validate({"document": {"base64": "-"}, "unreadable": "ignore"})


def strip(*letters: int) -> np.ndarray:
    """A line's picture, 48 high and 400 long, with a letter in each of these columns."""
    picture = np.full((48, 400, 3), 255, np.uint8)
    for column in letters:
        picture[10:40, column : column + 16] = 0
    return picture


def part(picture: np.ndarray, text: str, centres: list[int], confidence: float = 0.99) -> float:
    return unread_part(
        picture,
        text,
        centres=[centre / 400 for centre in centres],
        confidences=[confidence] * len(text),
    )


def test_ink_below_characters_is_read():
    assert part(strip(20, 60, 100), "abc", [28, 68, 108]) == 0


def test_ink_that_no_character_accounts_for_is_not_read():
    assert part(strip(20, 120, 220, 320), "ab", [28, 128]) == pytest.approx(0.5)


def test_blanks_account_for_no_ink():
    assert part(strip(20, 120), " a", [28, 128]) == pytest.approx(0.5)


def test_characters_that_are_not_certain_account_for_no_ink():
    assert part(strip(20, 60), "ab", [28, 68], confidence=0.4) == 1


def test_a_word_in_greek_letters_is_not_read_and_a_formula_is():
    assert part(strip(20, 60, 100), "και", [28, 68, 108]) == 1
    assert part(strip(20, 60, 100), "α=β", [28, 68, 108]) == 0


def test_a_light_text_on_dark_paper_is_measured_by_its_letters():
    assert part(255 - strip(20, 60), "ab", [28, 68]) == 0


def test_a_ruled_line_is_no_text():
    picture = strip(20, 60)
    picture[42:44, 100:400] = 0
    assert part(picture, "ab", [28, 68]) == 0


def test_an_empty_picture_has_nothing_unread():
    assert part(np.full((48, 400, 3), 255, np.uint8), "", []) == 0


def line(text: str, *, length: int, unread: float) -> Line:
    quad = ((0.0, 0.0), (length * 20.0, 0.0), (length * 20.0, 20.0), (0.0, 20.0))
    return Line(text=text, confidence=0.9, quad=quad, words=[], unread=unread)


def test_a_page_with_one_paragraph_unread_warns_and_is_readable():
    lines = [line("read well", length=20, unread=0.0)] * 9 + [line("", length=20, unread=1.0)]
    judgement = judge(lines)
    assert judgement.readable
    assert judgement.warnings[0].startswith("10% of the text cannot be read")


@pytest.mark.parametrize(
    "lines", [[], [line("0O", length=5, unread=1.0)] * 5, [line("", length=3, unread=1.0)]]
)
def test_short_pieces_as_a_photo_has_them_are_no_reason_to_warn(lines):
    assert judge(lines).readable
    assert not judge(lines).warnings


def test_many_short_lines_that_are_unread_are_a_page_of_text():
    assert not judge([line("", length=3, unread=1.0)] * 8).readable


@pytest.mark.parametrize(
    ("text", "unread"), [("Mr Phương Smith", 0.05), ("Đường phố, người, phương trời", 0.0)]
)
def test_a_vietnamese_name_or_one_read_whole_is_not_unreadable_vietnamese(text, unread):
    assert judge([line(text, length=20, unread=unread)]).readable
