"""Cutting a page into regions, each read to its end before the next: an XY-cut along rivers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from .columns import is_between_columns
from .placed import Placed
from .rivers import River, rivers_of

HEADING = 1.3  # times the usual height of lines
_ROUNDS = 40  # of cuts within cuts: no page that people read has more


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """Lines that are read row by row. In a table, `columns` are the places between its columns."""

    pieces: Sequence[Placed]
    columns: Sequence[float] = ()


def in_reading_order(pieces: Sequence[Placed], rounds: int = _ROUNDS) -> list[Region]:
    rivers = rivers_of(pieces) if rounds else []
    if not rivers:
        return [Region(pieces=pieces)] if pieces else []
    longest = max(rivers, key=lambda river: river.length)
    beside = [piece for piece in pieces if longest.top < piece.level < longest.bottom]
    if len(beside) < len(pieces):
        above = [piece for piece in pieces if piece.level <= longest.top]
        below = [piece for piece in pieces if piece.level >= longest.bottom]
        parts = [above, beside, below]
    else:
        whole = [river for river in rivers if _is_whole(river, pieces)]
        columns = [river for river in whole if is_between_columns(pieces, river, whole)]
        if not columns:
            return [Region(pieces=pieces, columns=sorted({river.x for river in whole}))]
        parts = _sections(pieces) or _split(pieces, columns)
    return [region for part in parts for region in in_reading_order(part, rounds - 1)]


def _sections(pieces: Sequence[Placed]) -> list[list[Placed]]:
    """Of columns that go on below a heading with nothing beside it, what is above and the rest."""
    usual = median(piece.height for piece in pieces)
    highest = min(piece.top for piece in pieces)
    for piece in sorted(pieces, key=lambda piece: piece.top):
        is_alone = not any(
            other.top < piece.bottom and other.bottom > piece.top
            for other in pieces
            if other is not piece
        )
        if piece.height > HEADING * usual and is_alone and piece.top > highest:
            above = [other for other in pieces if other.bottom <= piece.top]
            return [above, [other for other in pieces if other.bottom > piece.top]]
    return []


def _is_whole(river: River, pieces: Sequence[Placed]) -> bool:
    return all(river.top < piece.level < river.bottom for piece in pieces)


def _split(pieces: Sequence[Placed], rivers: Sequence[River]) -> list[list[Placed]]:
    """The columns between the rivers, from left to right."""
    edges = [-float("inf"), *sorted({river.x for river in rivers}), float("inf")]
    return [
        [piece for piece in pieces if left < (piece.left + piece.right) / 2 <= right]
        for left, right in pairwise(edges)
    ]
