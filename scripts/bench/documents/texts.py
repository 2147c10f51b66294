"""What the pages say: a text in each language, and English prose that never repeats."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SUBJECTS = (
    "The harbour master", "A retired teacher from Leeds", "Her younger brother", "The committee",
    "Nobody in the village", "The night porter", "Our accountant", "An engineer at the mill",
    "The new landlord", "Every second witness", "The curator of the museum", "Mrs Albright",
    "The clerk at window nine", "A farmer near the border",
)  # fmt: skip
_VERBS = (
    "wrote a long letter about", "refused to pay for", "remembered nothing of", "had already sold",
    "asked twice about", "signed the papers for", "kept a careful record of", "quietly repaired",
    "could not explain", "was delighted with", "took photographs of", "sent a parcel with",
)  # fmt: skip
_OBJECTS = (
    "the missing invoice", "a box of brass fittings", "the water damage in the cellar",
    "the second lighthouse", "seventeen crates of oranges", "the broken weather station",
    "a contract from the previous year", "the old railway timetable", "an unusual wooden clock",
    "the garden behind the chapel", "three volumes of minutes", "the price of coal",
)  # fmt: skip
_TIMES = (
    "on the first Monday of March", "shortly before noon", "in the winter of 1987",
    "after the meeting had ended", "while it was raining", "without giving a reason",
    "on 14 October", "as soon as the ferry arrived", "during the annual inspection",
    "for 250 pounds", "at a quarter past six", "when the shop was closed",
)  # fmt: skip


def sentences(seed: int) -> Iterator[str]:
    """English sentences without end; those of two seeds differ."""
    rng = random.Random(seed)  # noqa: S311
    while True:
        parts = [rng.choice(words) for words in (_SUBJECTS, _VERBS, _OBJECTS, _TIMES)]
        yield f"{' '.join(parts)}."


def prose(characters: int, *, seed: int) -> str:
    """Whole sentences, at least so many characters."""
    text = ""
    for sentence in sentences(seed):
        text += (" " if text else "") + sentence
        if len(text) >= characters:
            break
    return text


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """`tesseract` is its name for the language, also the end of Debian's package.

    `font` is a file below /usr/share/fonts, named where the usual ones lack its letters.
    """

    name: str
    tesseract: str
    text: str
    font: str | None = None


def _languages() -> Iterator[Language]:
    table = (Path(__file__).parent / "languages.tsv").read_text("utf-8")
    for row in table.splitlines():
        name, tesseract, text = row.split("\t")
        yield Language(name=name, tesseract=tesseract, text=text)


def _foreign() -> Iterator[Language]:
    table = (Path(__file__).parent / "foreign.tsv").read_text("utf-8")
    for row in table.splitlines():
        name, tesseract, font, text = row.split("\t")
        yield Language(name=name, tesseract=tesseract, text=text, font=font)


LANGUAGES = list(_languages())
"""Those of which the recogniser's dictionary has every letter."""

FOREIGN = list(_foreign())
"""Those of which it lacks letters."""
