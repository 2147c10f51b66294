"""Arabic and Hebrew in the order in which they are read: a PDF may hold their letters in either."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import accumulate, pairwise

from .glyphs import Glyph

_SPACE_EM = 0.1  # words are further apart
_CLASSES = {"R": "R", "AL": "R", "AN": "N", "EN": "N", "L": "L"}
_LEFT_TO_RIGHT = re.compile("[LN](?:[LN_ ]*[LN])?")
_NUMBER = re.compile("N(?:[N_]*N)?")
_RIGHT_TO_LEFT = re.compile("R(?:[RN_ ]*R)?")
_ALEFS = "\u0622\u0623\u0625\u0627"
_LAM = "\u0644"


def in_reading_order(line: Sequence[Glyph]) -> list[Glyph]:
    """A line's characters by their places, where one is of such a script; else as they are given.

    What is written in the other direction than most of the line, such as a number, has its own.
    """
    classes = [_class(glyph.text) for glyph in line]
    if "R" not in classes:
        return list(line)
    words = list(accumulate(bool(glyph.breaks) for glyph in line))
    numbered = list(zip(line, words, strict=True))
    if classes.count("R") < classes.count("L"):
        items = _spaced(sorted(numbered, key=lambda member: member[0].start))
        runs = [match.span() for match in _RIGHT_TO_LEFT.finditer(_pattern(items))]
    else:
        items = _spaced(sorted(numbered, key=lambda member: -member[0].end))
        runs = _left_to_right(_pattern(items))
    for first, end in runs:
        items[first:end] = items[first:end][::-1]
    return _told(_with_ligatures(items))


def _left_to_right(pattern: str) -> list[tuple[int, int]]:
    """Numbers follow each other as the line does, unless there are letters with them."""
    spans: list[tuple[int, int]] = []
    for match in _LEFT_TO_RIGHT.finditer(pattern):
        if "L" in match[0]:
            spans.append(match.span())
        else:
            spans += [number.span() for number in _NUMBER.finditer(pattern, *match.span())]
    return spans


def _spaced(ordered: Sequence[tuple[Glyph, int]]) -> list[Glyph | None]:
    """With None where a space is; each comes with its word's number, as it was given."""
    items: list[Glyph | None] = [ordered[0][0]]
    for (before, its_word), (glyph, word) in pairwise(ordered):
        gap = max(glyph.start - before.end, before.start - glyph.end)
        is_apart = word != its_word and gap > _SPACE_EM * glyph.em
        items += [None, glyph] if is_apart else [glyph]
    return items


def _with_ligatures(items: list[Glyph | None]) -> list[Glyph | None]:
    """Lam and alef are one shape: which is first, their place does not say."""
    for place in range(len(items) - 1):
        one, other = items[place], items[place + 1]
        if one is None or other is None or (one.start, one.end) != (other.start, other.end):
            continue
        if one.text in _ALEFS and other.text == _LAM:
            items[place : place + 2] = [other, one]
    return items


def _told(items: Sequence[Glyph | None]) -> list[Glyph]:
    before = [None, *items]
    return [
        glyph._replace(breaks="" if place == 0 or before[place] is not None else " ")
        for place, glyph in enumerate(items)
        if glyph is not None
    ]


def _pattern(items: Sequence[Glyph | None]) -> str:
    return "".join(" " if glyph is None else _class(glyph.text) for glyph in items)


def _class(text: str) -> str:
    return _CLASSES.get(unicodedata.bidirectional(text[0]), "_")
