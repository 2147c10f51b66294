"""Rivers: strips from top to bottom, between columns or cells, that no line crosses."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from .placed import Placed

_BREADTH = 0.55  # of the lines' height, at least
_LEAST_LINES = 2  # on each side, that have others beside them


@dataclass(frozen=True, kw_only=True, slots=True)
class River:
    """No line crosses `x` between `top` and `bottom`; from `first` to `last` there are lines on
    both sides."""

    x: float
    top: float
    bottom: float
    first: float
    last: float

    @property
    def length(self) -> float:
        return self.last - self.first


def rivers_of(pieces: Sequence[Placed]) -> list[River]:
    """Those that are as long as they can be: a line crosses, or the page ends, above and below."""
    if len(pieces) < 2 * _LEAST_LINES:
        return []
    breadth = _BREADTH * median(piece.height for piece in pieces)
    return [river for bank in _right_banks(pieces, breadth) for river in _at(pieces, bank, breadth)]


def _right_banks(pieces: Sequence[Placed], breadth: float) -> list[float]:
    """Left ends of lines; of those that are close together, the leftmost."""
    banks: list[float] = []
    for left in sorted(piece.left for piece in pieces):
        if not banks or left > banks[-1] + breadth / 4:
            banks.append(left)
    return banks


def _at(pieces: Sequence[Placed], bank: float, breadth: float) -> list[River]:
    across = sorted(
        (piece for piece in pieces if piece.left < bank and piece.right > bank - breadth),
        key=lambda piece: piece.level,
    )
    levels = [-float("inf"), *(piece.level for piece in across), float("inf")]
    found = []
    for top, bottom in pairwise(levels):
        between = [piece for piece in pieces if top < piece.level < bottom]
        left = [piece for piece in between if piece.right <= bank - breadth]
        right = [piece for piece in between if piece.left >= bank]
        left, right = _facing(left, right), _facing(right, left)
        if min(len(left), len(right)) >= _LEAST_LINES:
            banks = max(piece.right for piece in left), min(piece.left for piece in right)
            found.append(
                River(
                    x=sum(banks) / 2,
                    top=top,
                    bottom=bottom,
                    first=max(_top(left), _top(right)),
                    last=min(_bottom(left), _bottom(right)),
                )
            )
    return found


def _facing(pieces: Sequence[Placed], others: Sequence[Placed]) -> list[Placed]:
    """Those that have one of the others beside them, or beside the gap to the next line."""
    return [
        piece
        for piece in pieces
        if any(
            other.top - piece.height < piece.level < other.bottom + piece.height for other in others
        )
    ]


def _top(pieces: Sequence[Placed]) -> float:
    return min(piece.top for piece in pieces)


def _bottom(pieces: Sequence[Placed]) -> float:
    return max(piece.bottom for piece in pieces)
