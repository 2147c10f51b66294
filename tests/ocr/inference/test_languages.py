"""The README's list of languages is what the bench's pages measure."""

import re

import pytest
from rapidfuzz.distance import Levenshtein

from scripts.bench.documents.kinds import KINDS
from scripts.bench.documents.sheets import plain
from scripts.bench.documents.texts import LANGUAGES
from tests.ocr.inference.conftest import encoded
from tests.tiny_truss import PROJECT

TOLERANCE = 0.3
"""Letters of a hundred: what another version of a font, or of Pillow, may change."""


def listed() -> dict[str, float]:
    """Letters read wrong of a hundred, by language."""
    readme = " ".join((PROJECT / "README.md").read_text("utf-8").split())
    listing = readme.partition("by language: ")[2].partition(". It cannot read")[0]
    return {
        name: float(figure) for name, figure in re.findall(r"([A-Z][\w ()]+) ([\d.]+)", listing)
    }


def test_the_readme_lists_the_languages_that_are_measured():
    assert list(listed()) == [language.name for language in LANGUAGES]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_language_is_read_as_well_as_the_readme_says(read):
    try:
        pages = list(KINDS["languages"]())
    except SystemExit as missing:
        pytest.skip(str(missing))
    for page in pages:
        [truth] = page.truths
        result = read(encoded(page.image, "PNG", dpi=(page.dpi, page.dpi)))
        mistakes = Levenshtein.distance(plain(result.text()), plain(truth))
        assert 100 * mistakes / len(plain(truth)) <= listed()[page.name] + TOLERANCE, page.name
        assert not result.outputs.result["warnings"], page.name
