"""Telling a gap between columns, each read to its end, from one between the cells of rows."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from ..words import is_ideographic
from .placed import Placed
from .rivers import River
from .rows import are_level

_PAIRED = 0.6  # of the shorter side's lines: fewer that are level with another make no rows
_AS_MANY = 0.4  # of the longer side's lines, on the shorter one, make rows of both
_FILLED = 0.65  # of the column's width, by a line of prose on average
_WORDS = 3.5  # in a line of prose on average
_FOLLOWING = 1.8  # of its height, from a line to the next of the same paragraph
_ALONE = 0.5  # of the lines of a side that no other follows: these are labels, not a note


def is_between_columns(pieces: Sequence[Placed], river: River, whole: Sequence[River]) -> bool:
    """Whether what is left of the river is read before what is right of it.

    Otherwise they are cells. `whole` are all rivers that run through the pieces.
    """
    edges = [-float("inf"), *sorted({other.x for other in whole}), float("inf")]
    place = edges.index(river.x)
    left = [piece for piece in pieces if edges[place - 1] < _middle(piece) < river.x]
    right = [piece for piece in pieces if river.x < _middle(piece) < edges[place + 1]]
    fewer, more = sorted((left, right), key=len)
    paired = sum(any(are_level(piece, other) for other in more) for piece in fewer)
    if paired < _PAIRED * len(fewer) or (is_prose(left) and is_prose(right)):
        return True
    if len(fewer) >= _AS_MANY * len(more):
        return False
    alone = len(fewer) - sum(_follows(*pair) for pair in pairwise(sorted(fewer, key=_top)))
    return alone < _ALONE * len(fewer)


def is_prose(column: Sequence[Placed]) -> bool:
    """Lines of several words that fill the column's width."""
    width = max(piece.right for piece in column) - min(piece.left for piece in column)
    return (
        fmean(piece.width for piece in column) >= _FILLED * width
        and fmean(_words(piece.line.text) for piece in column) >= _WORDS
    )


def _words(text: str) -> float:
    return len(text) / 3 if is_ideographic(text) else len(text.split())


def _follows(before: Placed, after: Placed) -> bool:
    return after.level - before.level < _FOLLOWING * max(before.height, after.height)


def _middle(piece: Placed) -> float:
    return (piece.left + piece.right) / 2


def _top(piece: Placed) -> float:
    return piece.top
