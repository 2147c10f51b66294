"""Whether a text layer's characters are those that the page shows, from the characters alone."""

import re
import unicodedata
from collections.abc import Sequence

from .glyphs import Glyph

_BAD_SHARE = 0.1
_ENOUGH_LETTERS = 40
_COMMON = frozenset("eainrstol")
_LEAST_COMMON = 0.42  # of a text's Latin letters; in Latin scripts these nine are about two thirds
_MOST_ACCENTED = 0.5  # of a text's letters; no language has more than a quarter
_LEAST_LETTERS = 0.3
_LEADERS = re.compile(r"[.·…_\-\u2013\u2014=*•]{3,}")


def is_mojibake(glyphs: Sequence[Glyph]) -> bool:
    """Whether they are other characters than are drawn.

    So it is where the font does not say what its glyphs mean, and where what it says is another
    encoding: Cyrillic as accented Latin letters, letters moved along the alphabet, signs alone.
    """
    bad = sum(glyph.is_bad for glyph in glyphs)
    if bad > _BAD_SHARE * len(glyphs):
        return True
    text = _LEADERS.sub("", "".join(glyph.breaks + glyph.text for glyph in glyphs))
    letters = [letter for letter in text if letter.isalpha()]
    return (
        _is_accented(letters)
        or _is_shifted("".join(word for word in text.split() if _is_prose(word)))
        or _is_signs(text)
    )


def _is_accented(letters: Sequence[str]) -> bool:
    """As Cyrillic, Greek, Hebrew or UTF-8 are that were taken for Latin 1."""
    accented = sum("\x80" <= letter <= "\u024f" for letter in letters)
    return len(letters) >= 8 and accented > _MOST_ACCENTED * len(letters)


def _is_shifted(text: str) -> bool:
    letters = [letter for letter in _without_accents(text) if "a" <= letter <= "z"]
    common = sum(letter in _COMMON for letter in letters)
    return len(letters) >= _ENOUGH_LETTERS and common < _LEAST_COMMON * len(letters)


def _is_prose(word: str) -> bool:
    """Not a number, nor such as a part's or an account's."""
    return sum(character.isalpha() for character in word) > 0.5 * len(word)


def _is_signs(text: str) -> bool:
    characters = [character for character in text if not character.isspace()]
    spelt = sum(unicodedata.category(character)[0] in "LMN" for character in characters)
    return len(characters) >= _ENOUGH_LETTERS and spelt < _LEAST_LETTERS * len(characters)


def _without_accents(text: str) -> str:
    return unicodedata.normalize("NFD", text.casefold())
