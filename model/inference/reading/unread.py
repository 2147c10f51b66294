"""What is drawn and was not read: the recogniser skips letters that it does not know.

It has Latin letters, Chinese, Japanese and signs. Of a line in another script it gives blanks and a
few letters that look alike, those often with high confidence: what tells is the ink that no
certain character accounts for.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .reading import Line, Pixels, height_of, length_of
from .words import is_ideographic

_HEIGHT = 48  # of a line's picture, pixels: what the recogniser makes of it
_REACH = 0.4  # of the height: so far from its middle a letter's ink may be
_REACH_OF_IDEOGRAPH = 0.6
_CERTAIN = 0.6  # letters seen in what is none have less confidence
_LEAST_INK = 6  # pixels of ink in a column: a ruled line and a row of dots have less
# The dictionary has Greek for formulas; of a text in Greek it lacks letters.
_GREEK_WORD = re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]{3,}")
_VIETNAMESE = re.compile(r"[ơưƠƯ]")  # the dictionary has these letters, and lacks 44 others
_LEAST_VIETNAMESE = 0.004  # of the letters: in Vietnamese one in 25, in a letter to Mr Phương less
_LEAST_FOUND = 3
_GAPS = 0.01  # of the text that is unread: in Vietnamese about 0.05, in other Latin text 0.003

_UNREADABLE = 0.25  # of the text on the page
_NOTABLE = 0.04
_LONG = 6.0  # heights of a line in length: what seems to be text in a photo is shorter
_LONG_BLANK = 4.0  # of one in which not even look-alikes are seen
_MANY = 8  # lines, however short

REMEDY = "send it to an OCR that knows the script, or set unreadable to warn"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """Whether a page's text was read, and a sentence about what was not."""

    readable: bool
    warnings: Sequence[str]


def unread_part(
    picture: Pixels, text: str, *, centres: Sequence[float], confidences: Sequence[float]
) -> float:
    """The part of the ink in a line's picture that lies in no character read with certainty.

    `centres` are the characters' middles as fractions of the picture's width.
    """
    ink = _ink(picture)
    if not ink.any():
        return 0.0
    foreign = {place for word in _GREEK_WORD.finditer(text) for place in range(*word.span())}
    is_read = np.zeros(len(ink), bool)
    for place, character in enumerate(text):
        if character.isspace() or confidences[place] < _CERTAIN or place in foreign:
            continue
        reach = _REACH_OF_IDEOGRAPH if is_ideographic(character) else _REACH
        middle = centres[place] * len(ink)
        is_read[max(int(middle - reach * _HEIGHT), 0) : int(middle + reach * _HEIGHT) + 1] = True
    return float(ink[~is_read].sum() / ink.sum())


def judge(lines: Sequence[Line]) -> Judgement:
    """Of all lines of a page, also those without text."""
    lengths = [length_of(line.quad) / height_of(line.quad) for line in lines]
    unread = [length * line.unread for length, line in zip(lengths, lines, strict=True)]
    part = sum(unread) / max(sum(lengths), 1.0)
    if part >= _GAPS and _is_vietnamese(lines):
        sentence = "text in Vietnamese, more than half of whose letters with marks cannot be read"
        return Judgement(readable=False, warnings=[sentence])
    if part < _NOTABLE or not _is_text(lines, unread):
        return Judgement(readable=True, warnings=[])
    sentence = (
        f"{part:.0%} of the text cannot be read: it is damaged, or in a script other than Latin,"
        " Chinese and Japanese"
    )
    return Judgement(readable=part < _UNREADABLE, warnings=[sentence])


def _is_text(lines: Sequence[Line], unread: Sequence[float]) -> bool:
    """Whether what is unread looks like text, and not like pieces of a photo.

    `unread` is how much of each line is, in heights of the line.
    """
    blank = (length for length, line in zip(unread, lines, strict=True) if not line.text)
    if max(blank, default=0.0) >= _LONG_BLANK:
        return True
    return max(unread) >= _LONG or sum(2 * line.unread > 1 for line in lines) >= _MANY


def _is_vietnamese(lines: Sequence[Line]) -> bool:
    text = "".join(line.text for line in lines)
    letters = sum(map(str.isalpha, text))
    found = len(_VIETNAMESE.findall(text))
    return found >= max(_LEAST_FOUND, _LEAST_VIETNAMESE * letters)


def _ink(picture: Pixels) -> npt.NDArray[np.int64]:
    """Dark pixels of each column, or light ones where those are fewer."""
    height, width = picture.shape[:2]
    size = max(round(width * _HEIGHT / height), 1), _HEIGHT
    grey = cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    _, light = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    marks = 1 - light if 2 * int(light.sum()) > light.size else light
    columns: npt.NDArray[np.int64] = marks.sum(axis=0, dtype=np.int64)
    return np.where(columns >= _LEAST_INK, columns, 0)
