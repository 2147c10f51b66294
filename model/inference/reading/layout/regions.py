"""Cutting a page into regions, each read to its end before the next: an XY-cut along rivers."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from .columns import is_between_columns
from .placed import Placed
from .rivers import River, rivers_of

HEADING = 1.3  # times the usual height of lines
_AS_LONG = 0.8  # as the longest: a river between columns goes before one between cells
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
    as_long = [river for river in rivers if river.length >= _AS_LONG * longest.length]
    for river in sorted(as_long, key=lambda river: -river.length):
        if is_between_columns(_between(pieces, river.first, river.last), river):
            parts = _around_columns(pieces, river)
            return [region for part in parts for region in in_reading_order(part, rounds - 1)]
    above, rows, below = _cut(pieces, longest.first, longest.last)
    return [
        *in_reading_order(above, rounds - 1),
        Region(pieces=rows, columns=_whole(rows)),
        *in_reading_order(below, rounds - 1),
    ]


def _around_columns(pieces: Sequence[Placed], river: River) -> Sequence[Sequence[Placed]]:
    above, beside, below = _cut(pieces, river.top, river.bottom)
    if above or below:
        return above, beside, below
    left = [piece for piece in pieces if piece.middle < river.x]
    right = [piece for piece in pieces if piece.middle >= river.x]
    return _sections(pieces) or (left, right)


def _cut(pieces: Sequence[Placed], top: float, bottom: float) -> list[list[Placed]]:
    return [
        [piece for piece in pieces if piece.level <= top],
        _between(pieces, top, bottom),
        [piece for piece in pieces if piece.level >= bottom],
    ]


def _between(pieces: Sequence[Placed], top: float, bottom: float) -> list[Placed]:
    return [piece for piece in pieces if top < piece.level < bottom]


def _whole(pieces: Sequence[Placed]) -> list[float]:
    """The places of the rivers that no line crosses at all, from left to right."""
    return sorted(
        {
            river.x
            for river in rivers_of(pieces)
            if len(_between(pieces, river.top, river.bottom)) == len(pieces)
        }
    )


def _sections(pieces: Sequence[Placed]) -> list[list[Placed]]:
    """Of columns that go on below a heading with nothing beside it, what is above and the rest."""
    usual = median(piece.height for piece in pieces)
    highest = min(piece.top for piece in pieces)
    headings = [piece for piece in pieces if piece.height > HEADING * usual]
    for piece in sorted(headings, key=lambda piece: piece.top):
        is_alone = not any(
            other.top < piece.bottom and other.bottom > piece.top
            for other in pieces
            if other is not piece
        )
        if is_alone and piece.top > highest:
            above = [other for other in pieces if other.bottom <= piece.top]
            return [above, [other for other in pieces if other.bottom > piece.top]]
    return []
