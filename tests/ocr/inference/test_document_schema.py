"""document.json is as its schema says."""

import json
from importlib.resources import files

import jsonschema
import pytest

from model.inference.reading.reading import Block, Line, Page, PageImage, Word
from model.inference.writing.writers import document_json
from tests.ocr.inference.conftest import encoded
from tests.ocr.inference.drawing import SENTENCES, document, picture, text

SCHEMA = json.loads((files("model.inference.writing") / "document.schema.json").read_text("utf-8"))


def checked(content: str) -> list[dict]:
    document = json.loads(content)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    return document["pages"]


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_what_is_read_of_a_layer_of_a_scan_and_of_an_empty_page_is_as_the_schema_says(read, card):
    size = (card.width * 72 / 150, card.height * 72 / 150)
    content = document(text(*SENTENCES), picture(*size), "", size=size, image=card)
    file = read(content).outputs.files["document.json"]
    layer, scan, empty = checked(file.read_text("utf-8"))
    assert (layer["text_source"], scan["text_source"]) == ("layer", "ocr")
    assert layer["lines"]
    assert scan["lines"]
    assert empty["lines"] == empty["blocks"] == []


def test_an_image_is_as_the_schema_says(read, card):
    checked(read(encoded(card, "PNG")).outputs.files["document.json"].read_text("utf-8"))


def page(**fields) -> Page:
    import numpy as np

    pixels = np.zeros((20, 30, 3), np.uint8)
    image = PageImage(pixels=pixels, size=(30, 20), dpi=72, dpi_source="assumed")
    usual = {
        "number": 1,
        "image": image,
        "rotation": 90,
        "blocks": [],
        "text_source": "ocr",
        "readable": True,
        "warnings": [],
        "render_seconds": 0.1,
        "read_seconds": 0.2,
    }
    return Page(**usual | fields)


def line(text: str) -> Line:
    quad = ((1.0, 1.0), (9.0, 1.0), (9.0, 5.0), (1.0, 5.0))
    word = Word(text=text, confidence=0.9, quad=quad, start=0)
    return Line(text=text, confidence=0.9, quad=quad, words=[word])


def written(tmp_path, page: Page) -> list[dict]:
    path = tmp_path / "document.json"
    with document_json(path) as write:
        write(page)
    return checked(path.read_text("utf-8"))


def test_a_tables_rows_are_places_in_the_lines(tmp_path):
    cells = [line(text) for text in ("Income", "Amount", "Gifts")]
    blocks = [
        Block(kind="heading", rows=[[line("Accounts")]]),
        Block(kind="table", rows=[[cells[0], cells[1]], [cells[2], None]]),
    ]
    [record] = written(tmp_path, page(blocks=blocks))
    assert [block["kind"] for block in record["blocks"]] == ["heading", "table"]
    rows = record["blocks"][1]["rows"]
    texts = [[record["lines"][place]["text"] if place else None for place in row] for row in rows]
    assert texts == [["Income", "Amount"], ["Gifts", None]]


def test_a_page_that_cannot_be_read_is_as_the_schema_says(tmp_path):
    [record] = written(tmp_path, page(readable=False, warnings=["shows a script that is not read"]))
    assert (record["readable"], len(record["warnings"])) == (False, 1)


@pytest.mark.parametrize("change", [{"page": 0}, {"rotation": 45}, {"colour": "red"}])
def test_another_document_is_not_as_the_schema_says(tmp_path, change):
    [record] = written(tmp_path, page())
    with pytest.raises(jsonschema.ValidationError):
        checked(json.dumps({"schema": "outbox.document/v1", "pages": [record | change]}))
