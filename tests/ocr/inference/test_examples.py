"""The sample documents say what their truth says."""

import pytest
from rapidfuzz.distance import Levenshtein

from tests.ocr.inference.conftest import EXAMPLES, Result

QUICK = {"minutes.pdf", "notice-zh.png", "photo.png", "rechnung.pdf"}
"""Those that other tests read too; with them, there is one of each kind of page."""

DAMAGED = {"scanned-letter.pdf", "photo.png"}
CLEAN = {path.name for path in EXAMPLES.glob("*.*")} - DAMAGED


def others_slow(names: set[str]) -> list[object]:
    slow = {True: (), False: pytest.mark.slow}
    return [pytest.param(name, marks=slow[name in QUICK]) for name in sorted(names)]


def truth(name: str) -> str:
    return (EXAMPLES / "truth" / name).with_suffix(".txt").read_text("utf-8")


def is_readable(result: Result) -> bool:
    return all(page["readable"] and not page["warnings"] for page in result.pages())


def test_there_is_a_truth_for_every_example_and_an_example_for_every_truth():
    examples = sorted(path.stem for path in EXAMPLES.glob("*.*"))
    assert examples == sorted(path.stem for path in (EXAMPLES / "truth").iterdir())
    assert len(examples) >= 7


@pytest.mark.parametrize("name", others_slow(CLEAN))
def test_a_clean_document_is_read_without_a_mistake(example, name):
    assert example(name).text() == truth(name)
    assert is_readable(example(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["minutes.pdf", "rechnung.pdf"])
def test_what_a_document_says_itself_is_what_is_read_on_its_pages(read, name):
    result = read(EXAMPLES / name, text="ocr")
    assert result.text() == truth(name)
    assert {page["text_source"] for page in result.pages()} == {"ocr"}


@pytest.mark.parametrize("name", others_slow(DAMAGED))
def test_a_damaged_document_is_read_almost_without_mistakes(example, name):
    expected = truth(name)
    mistakes = Levenshtein.distance(example(name).text(), expected)
    assert mistakes <= 0.01 * len(expected)
    assert is_readable(example(name))


def test_examples_are_small_enough_to_be_sent_as_they_are():
    assert all(path.stat().st_size < 300_000 for path in EXAMPLES.glob("*.*"))
