"""Rows of lines that are level with each other, and lines that were found in pieces."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean

from ..reading import Line, Word, is_wide
from ..words import needs_space
from .placed import Placed

_SAME_ROW = 0.5  # lines whose middles differ by less than this part of their height are one row


def rows_of(pieces: Sequence[Placed]) -> list[list[Placed]]:
    """From top to bottom, each from left to right."""
    rows: list[list[Placed]] = []
    for piece in sorted(pieces, key=lambda piece: piece.level):
        if rows and are_level(rows[-1][0], piece):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return [sorted(row, key=lambda piece: piece.left) for row in rows]


def are_level(one: Placed, other: Placed) -> bool:
    return abs(one.level - other.level) < _SAME_ROW * min(one.height, other.height)


def join_pieces(pieces: Sequence[Placed], *, gap: float) -> list[Placed]:
    """The pieces of a row put together where there is less than `gap` times their height between
    them."""
    return [joined for row in rows_of(pieces) for joined in join_row(row, gap=gap)]


def join_row(row: Sequence[Placed], *, gap: float) -> list[Placed]:
    groups = [[row[0]]]
    for left, right in pairwise(row):
        height = min(left.height, right.height)
        lying = is_lying(left) and is_lying(right)
        if lying and right.left - left.right < gap * height:
            groups[-1].append(right)
        else:
            groups.append([right])
    return [join(group) for group in groups]


def is_lying(piece: Placed) -> bool:
    return piece.line.vertical or is_wide(piece.line.quad)


def join(pieces: Sequence[Placed]) -> Placed:
    """One line of several, given from left to right."""
    if len(pieces) == 1:
        return pieces[0]
    return Placed(
        line=_join_lines([piece.line for piece in pieces]),
        left=min(piece.left for piece in pieces),
        top=min(piece.top for piece in pieces),
        right=max(piece.right for piece in pieces),
        bottom=max(piece.bottom for piece in pieces),
        height=max(piece.height for piece in pieces),
    )


def _join_lines(pieces: Sequence[Line]) -> Line:
    words: list[Word] = []
    text = ""
    for piece in pieces:
        text += " " if text and needs_space(text, piece.text) else ""
        words += [replace(word, start=word.start + len(text)) for word in piece.words]
        text += piece.text
    first, last = pieces[0].quad, pieces[-1].quad
    return Line(
        text=text,
        confidence=fmean(
            [piece.confidence for piece in pieces], weights=[len(piece.text) for piece in pieces]
        ),
        quad=(first[0], last[1], last[2], first[3]),
        words=words,
        vertical=pieces[0].vertical,
    )
