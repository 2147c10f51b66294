"""The documents' bench: how texts are compared, and its table."""

import shutil

import pytest

from scripts.bench.documents import measure
from scripts.bench.documents.measure import Score
from scripts.bench.documents.sheets import plain
from scripts.bench.documents.texts import FOREIGN, LANGUAGES, prose


def test_white_space_is_compared_as_one_space_and_beside_ideographs_as_none():
    assert plain("Item\tPrice\n\nCoal  5") == "Item Price Coal 5"
    assert plain("人人 生而\n自由。 ok") == "人人生而自由。ok"


def test_prose_is_as_long_as_asked_and_differs_by_its_seed():
    assert len(prose(500, seed=1)) >= 500
    assert prose(500, seed=1) != prose(500, seed=2)


def test_every_language_has_a_name_and_a_text():
    names = [language.name for language in (*LANGUAGES, *FOREIGN)]
    assert len(set(names)) == len(names) >= 40
    assert all(len(language.text) > 60 for language in (*LANGUAGES, *FOREIGN))


@pytest.mark.parametrize(
    ("kind", "ours", "tesseract", "told", "is_beyond"),
    [
        ("forms", 0.05, 0.031, True, False),
        ("forms", 0.05, 0.029, True, True),
        ("forms", 0.05, None, True, False),
        ("forms", 0.0, 0.0, False, True),
        ("columns", 0.021, 0.5, True, True),
        ("formats", 0.011, 0.5, True, True),
        ("foreign", 0.9, 0.0, True, False),
        ("foreign", 0.9, 0.0, False, True),
    ],
)
def test_a_page_is_beyond_where_it_is_worse_than_its_limit(kind, ours, tesseract, told, is_beyond):
    score = Score(
        name="page",
        ours=(ours, 1.0),
        old=None,
        tesseract=None if tesseract is None else (tesseract, 1.0),
        warnings=(),
        is_told_right=told,
    )
    assert score.is_beyond(kind) is is_beyond


def test_a_kind_that_there_is_not_is_named(capsys):
    with pytest.raises(SystemExit):
        measure.measure("novels")
    assert "no kind of page: novels" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_the_table_has_a_row_for_each_kind():
    _, _, *rows = measure.measure("--quick", "forms", "columns").splitlines()
    assert rows[0].startswith("| forms | 2 | 0.0")
    assert rows[1].startswith("| columns | 2 | 0.0")
