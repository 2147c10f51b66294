"""Each artifact holds what its name promises, and they agree with each other."""

import csv
import io
import itertools
import json
import math
import re
import threading

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from model.inference.writing.writers import without_formula
from tests.ocr.inference.conftest import ALL, EXAMPLES, Result, encoded
from tests.ocr.inference.drawing import document, text


@pytest.fixture
def minutes(example) -> Result:
    return example("minutes.pdf")


def pdf_texts(content: bytes) -> list[str]:
    with pypdfium2.PdfDocument(content) as pdf:
        return [page.get_textpage().get_text_range().replace("\r", "") for page in pdf]


def searchable(result: Result) -> bytes:
    return result.outputs.files["searchable.pdf"].read_bytes()


def test_the_files_are_those_asked_for(minutes):
    assert list(minutes.outputs.files) == [
        *ALL[:-1], *(f"pages/page-000{number}.png" for number in (1, 2, 3))
    ]  # fmt: skip
    assert all(path.stat().st_size > 0 for path in minutes.outputs.files.values())


@pytest.mark.parametrize("name", ALL[:-1])
def test_an_artifact_can_be_had_alone(read, card, name):
    assert list(read(encoded(card, "PNG"), artifacts=[name]).outputs.files) == [name]


def test_nothing_but_the_artifacts_is_left_behind(minutes):
    directory = minutes.outputs.files["text.txt"].parent
    left = {path for path in directory.rglob("*") if path.is_file()}
    assert left == set(minutes.outputs.files.values())


def test_the_result_is_the_documents_in_numbers(minutes):
    lines = [line for page in minutes.pages() for line in page["lines"]]
    result = minutes.outputs.result
    assert result["pages"] == 3
    assert result["turned_pages"] == 0
    assert result["lines"] == len(lines)
    assert result["characters"] == sum(len(line["text"]) for line in lines)
    mean = sum(line["confidence"] for line in lines) / len(lines)
    assert result["mean_confidence"] == pytest.approx(mean, abs=1e-3)
    json.dumps(result)


def test_document_and_text_say_the_same(minutes):
    pages = [[line["text"] for line in page["lines"]] for page in minutes.pages()]
    said = [re.split(r"[\t\n]", page.rstrip("\n")) for page in minutes.text().split("\f")]
    assert said == pages


def test_a_table_s_rows_are_lines_of_the_text_and_one_block_of_the_document(minutes):
    _, second, _ = minutes.pages()
    [table] = [block for block in second["blocks"] if block["kind"] == "table"]
    rows = ["\t".join(second["lines"][cell]["text"] for cell in row) for row in table["rows"]]
    assert rows[0] == "Income\tAmount"
    assert len(rows) == 5
    assert "\n".join(rows) in minutes.text()


def test_the_document_describes_its_pages(minutes):
    first, *others = minutes.pages()
    assert [page["page"] for page in others] == [2, 3]
    assert (first["width"], first["height"]) == (1240, 1755)
    assert (first["dpi"], first["dpi_source"], first["rotation"]) == (150, "rendered", 0)
    assert first["timings_ms"]["read"] > 0
    assert first["timings_ms"]["render"] > 0


def test_words_are_their_lines_pieces_inside_their_lines_and_in_order(minutes):
    for line in itertools.chain.from_iterable(page["lines"] for page in minutes.pages()):
        words = line["words"]
        assert [word["text"] for word in words] == line["text"].split()
        assert all(0 <= word["confidence"] <= 1 for word in words)
        left, right = line["quad"][0][0], line["quad"][1][0]
        edges = [x for word in words for x in (word["quad"][0][0], word["quad"][1][0])]
        assert edges == sorted(edges)
        assert left - 1 <= edges[0] <= edges[-1] <= right + 1


def test_words_lie_where_the_page_is_inked(minutes):
    page = minutes.pages()[0]
    with pypdfium2.PdfDocument(EXAMPLES / "minutes.pdf") as pdf:
        grey = np.asarray(pdf[0].render(scale=150 / 72).to_pil().convert("L"))
    for word in itertools.chain.from_iterable(line["words"] for line in page["lines"]):
        (left, top), _, (right, bottom), _ = word["quad"]
        inside = grey[int(top) : math.ceil(bottom), int(left) : math.ceil(right)]
        ink = np.flatnonzero((inside < 128).any(axis=0))
        width = right - left
        assert ink[0] < 0.35 * width + 4
        assert ink[-1] > 0.65 * width - 4


@pytest.mark.slow
def test_a_chinese_line_has_a_word_for_each_character(example):
    line = example("notice-zh.png").pages()[0]["lines"][0]
    assert [word["text"] for word in line["words"]] == list("社区图书馆开放通知")


def test_the_table_of_lines_has_every_line_with_its_corners(minutes):
    content = minutes.outputs.files["lines.csv"].read_text("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(content)))
    lines = [(page["page"], line) for page in minutes.pages() for line in page["lines"]]
    assert len(rows) == len(lines)
    for row, (page, line) in zip(rows, lines, strict=True):
        assert (int(row["page"]), row["text"]) == (page, line["text"])
        assert float(row["confidence"]) == line["confidence"]
        corners = [[float(row[f"x{i}"]), float(row[f"y{i}"])] for i in (1, 2, 3, 4)]
        assert corners == line["quad"]
    assert next(row["line"] for row in rows if row["page"] == "2") == "1"


FORMULAS = [
    '=HYPERLINK("http://evil.example","x")',
    "@SUM(1+1)*cmd|calc",
    "+49 301234567",
    "-5.00",
    "  =1+1",
    '"=1+1"',
    "\uff1d1+1",
    "a;=1+1",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_of_the_table_begins_a_formula(formula):
    shown = without_formula(formula)
    assert shown.replace("'", "") == formula
    for cell in shown.split(";"):
        assert not cell.lstrip(' "').startswith(("=", "+", "-", "@", "\uff1d"))


@pytest.mark.parametrize("harmless", ["1-2", "a=b", "me@example.org", "2 + 2", "M\u00fcller"])
def test_other_text_is_as_it_is_in_the_table(harmless):
    assert without_formula(harmless) == harmless


def test_a_page_that_shows_formulas_becomes_a_table_without_one(read):
    shown = [formula for formula in FORMULAS if formula.isascii()]
    lines = [line.replace("(", "\\(").replace(")", "\\)") for line in shown]
    files = read(document(text(*lines)), artifacts=["lines.csv", "text.txt"]).outputs.files
    content = files["lines.csv"].read_bytes()
    assert content.startswith(b"\xef\xbb\xbfpage,line,text")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert len(rows) >= len(shown)
    assert not any(row["text"].lstrip().startswith(("=", "+", "-", "@")) for row in rows)
    assert files["text.txt"].read_text().splitlines()[0] == FORMULAS[0]


def test_the_searchable_pdf_gives_its_text_back(minutes):
    assert [text.split() for text in pdf_texts(searchable(minutes))] == [
        page.split() for page in minutes.text().split("\f")
    ]


@pytest.mark.parametrize(
    "name",
    [
        "rechnung.pdf",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("notice-zh.png", "notice-ja.png", "lettre.webp")
        ),
    ],
)
def test_the_searchable_pdf_gives_every_script_back(example, name):
    truth = (EXAMPLES / "truth" / name).with_suffix(".txt").read_text("utf-8")
    [text] = pdf_texts(searchable(example(name)))
    assert text.split() == truth.split()


def test_text_is_found_in_the_searchable_pdf_where_the_page_shows_it(example):
    def place(content: bytes) -> tuple[float, ...]:
        with pypdfium2.PdfDocument(content) as pdf:
            text = pdf[0].get_textpage()
            index, count = text.search("Blumenerde").get_next()
            assert text.count_rects(index, count) == 1
            return text.get_rect(0)

    original = (EXAMPLES / "rechnung.pdf").read_bytes()
    assert place(searchable(example("rechnung.pdf"))) == pytest.approx(place(original), abs=4)


def test_the_searchable_pdf_looks_like_the_document_and_is_as_large(example):
    def seen(content: bytes) -> tuple[tuple[float, float], np.ndarray]:
        with pypdfium2.PdfDocument(content) as pdf:
            picture = pdf[0].render(scale=150 / 72).to_pil().convert("L").reduce(8)
            return pdf[0].get_size(), np.asarray(picture, float)

    original_size, original = seen((EXAMPLES / "rechnung.pdf").read_bytes())
    size, copy = seen(searchable(example("rechnung.pdf")))
    assert size == pytest.approx(original_size, abs=0.01)
    assert np.abs(original - copy).mean() < 1


def test_an_image_keeps_its_size_in_the_searchable_pdf(read, card):
    with pypdfium2.PdfDocument(
        searchable(read(encoded(card, "PNG", dpi=(300, 300)), artifacts=["searchable.pdf"]))
    ) as pdf:
        expected = tuple(side * 72 / 300 for side in card.size)
        assert pdf[0].get_size() == pytest.approx(expected, abs=0.1)


def test_a_turned_page_is_upright_in_the_searchable_pdf(read, card, card_lines):
    content = searchable(
        read(encoded(card.rotate(90, expand=True), "PNG"), artifacts=["searchable.pdf"])
    )
    assert pdf_texts(content)[0].splitlines() == card_lines
    with pypdfium2.PdfDocument(content) as pdf:
        width, height = pdf[0].get_size()
        assert width > height


def test_page_images_have_a_box_around_every_line(minutes):
    page = minutes.pages()[0]
    with Image.open(minutes.outputs.files["pages/page-0001.png"]) as image:
        assert image.size == (page["width"], page["height"])
        for line in page["lines"]:
            corner = tuple(round(value) for value in line["quad"][0])
            red, green, blue = image.getpixel(corner)
            assert green > max(red, blue) + 60, "a certain line's box is green"


def test_page_images_are_numbered_like_the_documents_pages(read):
    files = read(EXAMPLES / "minutes.pdf", pages="3,1", artifacts=["pages"]).outputs.files
    assert list(files) == ["pages/page-0001.png", "pages/page-0003.png"]


def test_lines_below_the_confidence_asked_for_are_left_out(read, card):
    picture = encoded(card, "PNG")
    everything = read(picture).pages()[0]["lines"]
    confidences = [line["confidence"] for line in everything]
    least = (min(confidences) + max(confidences)) / 2
    certain = read(picture, min_confidence=least).pages()[0]["lines"]
    assert [line["text"] for line in certain] == [
        line["text"] for line in everything if line["confidence"] >= least
    ]
    assert 0 < len(certain) < len(everything)


@pytest.mark.slow
def test_the_same_document_gives_the_same_text(inference, reader, read, card):
    document = encoded(card, "PNG")
    assert reader(inference)(document).text() == read(document).text()


@pytest.mark.slow
def test_threads_may_share_an_inference(inference, reader, read, card):
    two_lines = card.copy()
    two_lines.paste("white", (0, 200, *card.size))
    documents = {"three": encoded(card, "PNG"), "two": encoded(two_lines, "PNG")}
    expected = {name: read(document).text() for name, document in documents.items()}
    texts: dict[str, str] = {}

    def run(name: str) -> None:
        texts[name] = reader(inference)(documents[name]).text()

    threads = [threading.Thread(target=run, args=(name,)) for name in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert texts == expected


@pytest.mark.slow
def test_a_finer_rendering_has_more_pixels_and_the_same_text(read, card):
    document = encoded(card, "PDF", resolution=150)
    coarse, fine = read(document), read(document, dpi=200)
    heights = [result.pages()[0]["height"] for result in (coarse, fine)]
    assert heights[1] == pytest.approx(heights[0] * 200 / 150, abs=2)
    assert fine.text() == coarse.text()
