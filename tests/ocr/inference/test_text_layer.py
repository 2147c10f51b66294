"""A PDF page's own text is taken where it is what the page shows, and nowhere else."""

import string

import numpy as np
import pytest
from pikepdf import Name
from PIL import Image

from model.inference.files.documents import open_pages
from model.inference.reading.reading import PageImage
from model.inference.settings import InferenceSettings
from tests.ocr.inference.conftest import encoded, request_for
from tests.ocr.inference.drawing import (
    LETTER,
    SENTENCES,
    SIZE,
    blocks_font,
    document,
    form,
    photo,
    picture,
    text,
)


@pytest.fixture
def opened(tmp_path):
    """The first page of a document, as the process that opens it gives it."""

    def first_page(content: bytes, **fields: object) -> PageImage:
        path = tmp_path / "document"
        path.write_bytes(content)
        with open_pages(request_for(path, **fields), InferenceSettings()) as pages:
            return next(pages).image

    return first_page


def texts(image: PageImage) -> list[str]:
    return [line.text for line in image.layer or ()]


class Unread:
    def read(self, pixels, **_):
        raise AssertionError("a page was read by OCR")


@pytest.fixture
def read_without_ocr(inference, reader):
    return reader(type(inference)(Unread(), InferenceSettings()))


def test_a_page_with_text_is_answered_from_it(read_without_ocr):
    result = read_without_ocr(document(text(*SENTENCES)))
    assert result.lines() == SENTENCES
    page = result.pages()[0]
    assert (page["text_source"], page["readable"], page["warnings"]) == ("layer", True, [])
    assert {line["confidence"] for line in page["lines"]} == {1.0}


def test_text_that_the_models_cannot_read_is_right(read_without_ocr):
    russian = "Оплата производится"
    letters = string.ascii_letters[: len(set(russian) - {" "})]
    meaning = sorted(set(russian) - {" "})
    written = "".join(letters[meaning.index(one)] if one != " " else " " for one in russian)
    shown = f"{written[:6]}) Tj 40 0 Td ({written[7:]}"
    content = document(text(shown, size=10), font=blocks_font(letters, meaning=meaning))
    assert read_without_ocr(content).text().split() == russian.split()


def test_words_of_the_layer_lie_where_they_are_drawn(opened):
    image = opened(document(text(*SENTENCES)))
    ink = image.pixels.min(axis=2) < 128
    for line in image.layer:
        assert [word.text for word in line.words] == line.text.split()
        for word in line.words:
            (left, top), _, (right, bottom), _ = word.quad
            columns = np.flatnonzero(
                ink[round(top) : round(bottom), round(left) - 2 : round(right) + 3].any(axis=0)
            )
            assert columns[0] <= 4
            assert columns[-1] >= right - left - 2


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_page_that_is_shown_turned_has_its_text_where_it_is_shown(opened, rotation):
    def turn(pdf):
        pdf.pages[0].obj.Rotate = rotation
        pdf.pages[0].obj.CropBox = [10, 20, 400, 290]

    image = opened(document(text(*SENTENCES), change=turn))
    ink = image.pixels.min(axis=2) < 128
    covered = np.zeros_like(ink)
    for line in image.layer:
        xs, ys = [round(x) for x, _ in line.quad], [round(y) for _, y in line.quad]
        covered[min(ys) - 2 : max(ys) + 3, min(xs) - 2 : max(xs) + 3] = True
    assert ink.any()
    assert not (ink & ~covered).any()


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_text_that_is_set_turned_makes_the_page_upright(read_without_ocr, rotation):
    matrix = {90: "0 1 -1 0 420 0", 180: "-1 0 0 -1 420 420", 270: "0 -1 1 0 0 420"}[rotation]
    result = read_without_ocr(document(f"{matrix} cm {text(*SENTENCES)}", size=(420, 420)))
    page = result.pages()[0]
    assert result.lines() == SENTENCES
    assert page["rotation"] == rotation
    (left, top), (right, also_top), *_ = page["lines"][0]["quad"]
    assert left < right
    assert top == pytest.approx(also_top, abs=0.2)


def test_characters_that_stand_below_each_other_are_a_line_that_runs_down(read_without_ocr):
    written = "縦書文章"
    font = blocks_font("abcd", meaning=written)
    column = "BT /F 20 Tf 300 260 Td " + " ".join(f"({one}) Tj 0 -22 Td" for one in "abcd") + " ET"
    result = read_without_ocr(document(column, font=font))
    [line] = result.pages()[0]["lines"]
    assert (line["text"], result.pages()[0]["rotation"]) == (written, 0)
    (x1, y1), (x2, y2), *_ = line["quad"]
    assert x1 == pytest.approx(x2)
    assert y2 - y1 > 3 * 20 * 150 / 72


def test_cells_of_a_row_are_lines_of_their_own(opened):
    row = "BT /F 11 Tf 30 200 Td (Copper pipe) Tj 200 0 Td (12) Tj 80 0 Td (103.20) Tj ET"
    assert texts(opened(document(row))) == ["Copper pipe", "12", "103.20"]


def test_letters_that_are_set_apart_one_by_one_are_words(opened):
    letters = " ".join(f"({letter}) Tj 9 0 Td" for letter in "AN")
    content = f"BT /F 11 Tf 30 200 Td {letters} (APPLE) Tj ET BT /F 11 Tf 30 180 Td (A pear) Tj ET"
    assert "APPLE" in " ".join(texts(opened(document(content))))
    moved = "BT /F 11 Tf 30 200 Td [(Har) 20 (bour) -300 (of) 10 (fice)] TJ ET"
    assert texts(opened(document(moved))) == ["Harbour office"]


def test_a_ligature_is_its_letters_and_a_soft_hyphen_that_is_drawn_a_hyphen(opened):
    font = blocks_font("abcde", meaning=["o", "\ufb03", "c", "e", "\xad"])
    assert texts(opened(document(text("abcde"), font=font))) == ["office-"]


def test_what_was_filled_into_a_form_is_a_part_of_the_layer(read_without_ocr):
    assert sorted(read_without_ocr(form(*SENTENCES)).lines()) == sorted(
        [*SENTENCES, "Marigold Tate"]
    )


HIDDEN = {
    "invisible": text("Hidden words of an old reading", y=40, mode=3),
    "white": f"1 g {text('Hidden words of an old reading', y=40)}",
    "transparent paper over it": f"{text('Hidden words', y=40)} 1 g 0 20 420 60 re f",
    "outside": text("Hidden words of an old reading", y=-40),
    "cut off": f"q 0 200 420 100 re W n {text('Hidden words of an old reading', y=40)} Q",
    "tiny": text("Hidden words of an old reading", y=40, size=0.3),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_text_that_is_not_seen_is_no_text_of_the_page(opened, name):
    image = opened(document(f"q {text(*SENTENCES)} Q {HIDDEN[name]}"))
    assert texts(image) == SENTENCES
    assert image.layer_is_whole


def scan(card: Image.Image, *contents: str) -> bytes:
    size = (card.width * 72 / 150, card.height * 72 / 150)
    return document(" ".join([picture(*size), *contents]), size=size, image=card)


def test_an_old_reading_over_a_scan_is_not_trusted(read, opened, card, card_lines):
    old = scan(card, text("Minules of lhe spling meeling", x=20, y=300, mode=3))
    assert opened(old).layer is None
    result = read(old)
    assert result.lines() == card_lines
    assert result.pages()[0]["text_source"] == "ocr"


def test_text_below_a_picture_is_not_trusted(opened, card):
    size = (card.width * 72 / 150, card.height * 72 / 150)
    content = f"{text('Minules of lhe spling', x=20, y=290, size=18)} {picture(*size)}"
    assert opened(document(content, size=size, image=card)).layer is None


def test_a_searchable_pdf_is_read_anew(read, card, card_lines):
    first = read(encoded(card, "PNG", dpi=(150, 150)), artifacts=["searchable.pdf", "text.txt"])
    content = first.outputs.files["searchable.pdf"].read_bytes()
    again = read(content)
    assert again.pages()[0]["text_source"] == "ocr"
    assert again.lines() == card_lines


def test_a_stamp_on_a_scan_does_not_stand_for_its_text(read, card, card_lines):
    stamped = scan(card, text("Exhibit 12, page 3 of 40", x=20, y=20))
    result = read(stamped)
    assert sorted(result.lines()) == sorted([*card_lines, "Exhibit 12, page 3 of 40"])
    assert result.pages()[0]["text_source"] == "ocr"


@pytest.mark.slow
def test_a_stamp_on_a_turned_scan_is_turned_with_it(read, card, card_lines):
    stamped = scan(card.rotate(180), text("Exhibit 12, page 3 of 40", x=20, y=20))
    result = read(stamped)
    assert set(card_lines) < set(result.lines())
    assert "Exhibit 12, page 3 of 40" in result.lines()
    assert result.pages()[0]["rotation"] == 180


def test_text_below_what_is_seen_through_is_trusted(opened):
    """As below the picture of a signature, which is as large as the page, and mostly clear."""

    def clear(pdf):
        mask = pdf.make_stream(
            bytes(100),
            Type=Name.XObject,
            Subtype=Name.Image,
            Width=10,
            Height=10,
            BitsPerComponent=8,
            ColorSpace=Name.DeviceGray,
        )
        pdf.pages[0].obj.Resources.XObject.Picture.SMask = mask

    content = f"{text(*SENTENCES)} {picture(*SIZE)}"
    assert texts(opened(document(content, image=photo(), change=clear))) == SENTENCES


def test_text_in_a_picture_beside_text_is_read_in_addition(read, card, card_lines):
    size = (card.width * 72 / 150, card.height * 72 / 150 + 100)
    content = f"{picture(size[0], size[1] - 100)} {text(*SENTENCES, x=20, y=size[1] - 30)}"
    result = read(document(content, size=size, image=card))
    assert result.lines() == [*SENTENCES, *card_lines]
    by_text = {line["text"]: line for line in result.pages()[0]["lines"]}
    assert by_text[LETTER]["confidence"] == 1.0


def test_a_photo_and_rules_beside_text_need_no_ocr(read_without_ocr):
    rules = " ".join(f"30 {y} m 390 {y} l S" for y in range(20, 60, 10))
    content = f"{text(*SENTENCES)} {picture(150, 100, 200, 80)} {rules} 30 80 60 100 re S"
    result = read_without_ocr(document(content, image=photo()))
    assert result.lines() == SENTENCES


def shifted(sentence: str, by: int) -> str:
    moved = "".join(chr(ord(letter) + by) if letter != " " else " " for letter in sentence)
    return moved.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


LETTERS = string.printable[:95].replace("(", "").replace(")", "").replace("\\", "")
GARBLED = {
    "no meaning": ["\ufffd"] * len(LETTERS),
    "private characters": [chr(0xE000 + place) for place in range(len(LETTERS))],
    "control characters": [chr(place % 8 + 1) for place in range(len(LETTERS))],
    "Latin for Cyrillic": [chr(0xC0 + place % 64) for place in range(len(LETTERS))],
    "signs": ["!#%&*+"[place % 6] for place in range(len(LETTERS))],
}


def test_letters_of_any_shape_are_what_their_font_says(opened):
    font = blocks_font(LETTERS, meaning=LETTERS)
    assert texts(opened(document(text(*SENTENCES, size=8), font=font))) == SENTENCES


@pytest.mark.parametrize("name", GARBLED)
def test_text_that_says_other_characters_than_are_drawn_is_not_trusted(opened, name):
    shown = [sentence.replace(",", "") for sentence in SENTENCES]
    font = blocks_font(LETTERS, meaning=GARBLED[name])
    assert opened(document(text(*shown), font=font)).layer is None


@pytest.mark.parametrize("by", [-29, -3, 1, 3])
def test_letters_moved_along_the_alphabet_are_not_trusted(opened, by):
    moved = [shifted(sentence, by) for sentence in SENTENCES]
    assert opened(document(text(*moved))).layer is None


@pytest.mark.parametrize(
    "lines",
    [
        ["1,234.50", "XK-9982-QQ", "DE89 3704 0044 0532 0130 00", "QWZ-77-XXK"],
        ["Contents ................................. 7", "Index .............................. 93"],
        ["Élève à l'école supérieure, reçu où l'été s'achève"],
        ["42"],
    ],
)
def test_numbers_leaders_and_accents_are_no_garbage(opened, lines):
    assert texts(opened(document(text(*lines)))) == lines


def test_ocr_and_layer_may_be_asked_for(read, card, card_lines):
    both = scan(card, text("Hidden words", x=20, y=300, mode=3))
    assert read(both, text="layer").lines() == ["Hidden words"]
    assert read(both, text="ocr").lines() == card_lines


def test_a_page_without_a_layer_is_empty_and_says_so_where_only_the_layer_is_wanted(
    read_without_ocr, card
):
    for content in (scan(card), encoded(card, "PNG")):
        result = read_without_ocr(content, text="layer")
        assert result.lines() == []
        (warning,) = result.pages()[0]["warnings"]
        assert "no text of its own" in warning
        assert result.outputs.result["warnings"] == [f"page 1: {warning}"]


def test_the_setting_holds_where_a_request_does_not_choose(inference, reader):
    read = reader(type(inference)(Unread(), InferenceSettings(text="layer")))
    content = document(text("Hidden words", mode=3))
    assert read(content).lines() == ["Hidden words"]
    with pytest.raises(AssertionError, match="by OCR"):
        read(content, text="auto")


def test_text_from_right_to_left_is_in_the_order_in_which_it_is_read(opened):
    hebrew = "\u05e9\u05dc\u05d5\u05dd 24"
    drawn = "24" + hebrew[3::-1]  # as a program puts the glyphs down, from the left
    letters = "abcdef"
    font = blocks_font(letters, meaning=list(drawn))
    content = text("ab) Tj 16 0 Td (cdef", size=10)
    assert texts(opened(document(content, font=font))) == [hebrew]


@pytest.mark.parametrize(
    "odd",
    [
        "1e30 0 0 1e30 0 0 cm",
        "0 0 0 0 0 0 cm",
        "1 0 0 1 1e38 1e38 cm",
        "1e-30 0 0 1e-30 200 150 cm",
        "1 0 1e9 1 0 0 cm",
    ],
)
def test_text_that_is_nowhere_does_no_harm(opened, odd):
    content = f"{text(*SENTENCES)} q {odd} {text('nowhere', size=9e9)} {text('nowhere')} Q"
    assert texts(opened(document(content))) in (SENTENCES, [])


def test_a_page_of_more_characters_than_pages_have_is_read_instead(opened):
    assert opened(document("BT /F 1 Tf (" + "x" * 200_001 + ") Tj ET")).layer is None
