"""Telling a gap between columns, each read to its end, from one between the cells of rows."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from ..words import is_ideographic
from .placed import Placed
from .rivers import River
from .rows import are_level, rows_of

_PAIRED = 0.6  # of the shorter side's lines: fewer that are level with another make no rows
_AS_MANY = 0.4  # of the longer side's lines, on the shorter one, make rows of both
_FILLED = 0.65  # of the column's width, by a line of prose on average
_WORDS = 3.5  # in a line of prose on average
_FOLLOWING = 1.8  # of its height, from a line to the next of the same paragraph
_ALONE = 0.5  # of the lines of a side that no other follows: these are labels, not a note


def is_between_columns(pieces: Sequence[Placed], river: River) -> bool:
    """Whether what is left of the river is read before what is right of it.

    Otherwise they are cells. `pieces` are those that it has on both sides.
    """
    left = _next_to(river.x, [piece for piece in pieces if piece.middle < river.x])
    right = _next_to(river.x, [piece for piece in pieces if piece.middle >= river.x])
    fewer, more = sorted((left, right), key=lambda side: len(rows_of(side)))
    paired = sum(any(are_level(piece, other) for other in more) for piece in fewer)
    if paired < _PAIRED * len(fewer) or (is_prose(left) and is_prose(right)):
        return True
    if len(rows_of(fewer)) >= _AS_MANY * len(rows_of(more)):
        return False
    levels = sorted(fewer, key=lambda piece: piece.level)
    alone = len(fewer) - sum(_follows(*pair) for pair in pairwise(levels))
    return alone < _ALONE * len(fewer)


def _next_to(x: float, side: Sequence[Placed]) -> list[Placed]:
    """Of the lines on a side of a river, those that are not beyond another one."""
    column: list[Placed] = []
    left = right = x
    for piece in sorted(side, key=lambda piece: min(abs(piece.left - x), abs(piece.right - x))):
        if not column:
            left, right = piece.left, piece.right
        if piece.right >= left and piece.left <= right:
            left, right = min(left, piece.left), max(right, piece.right)
            column.append(piece)
    return column


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
