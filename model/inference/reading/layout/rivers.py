"""Rivers: strips from top to bottom, between columns or cells, that no line crosses."""

import math
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from .placed import Placed

_BREADTH = 0.55  # of the lines' height, at least
_MOST_BANKS = 100  # that are tried: a drawing's labels begin anywhere
_LEAST_LINES = 2  # on each side, that have others beside them

Mask = npt.NDArray[np.bool_]


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
    ordered = sorted(pieces, key=lambda piece: piece.level)
    # In arrays: a drawing has thousands of labels, each with a place for a river before it.
    lefts = np.array([piece.left for piece in ordered])
    rights = np.array([piece.right for piece in ordered])
    return [
        river
        for bank in _right_banks(pieces, breadth)
        for top, bottom in _clear(lefts >= bank, rights <= bank - breadth)
        for river in _river(ordered, top, bottom, bank)
    ]


def _right_banks(pieces: Sequence[Placed], breadth: float) -> list[float]:
    """Left ends of lines: of those that are close together the leftmost, and of very many those
    where most lines begin."""
    banks: list[float] = []
    lines: list[int] = []
    for left in sorted(piece.left for piece in pieces):
        if not banks or left > banks[-1] + breadth / 4:
            banks.append(left)
            lines.append(0)
        lines[-1] += 1
    most = sorted(range(len(banks)), key=lambda place: -lines[place])[:_MOST_BANKS]
    return [banks[place] for place in sorted(most)]


def _clear(right: Mask, left: Mask) -> list[tuple[int, int]]:
    """From which to which line none crosses, where there are enough on each side. Both are
    the places of lines that cross or, at the ends, of none."""
    across = np.concatenate([[-1], np.flatnonzero(~(left | right)), [len(left)]])
    counts = [np.concatenate([[0], np.cumsum(side)]) for side in (left, right)]
    enough = np.all(
        [count[across[1:]] - count[across[:-1] + 1] >= _LEAST_LINES for count in counts], axis=0
    )
    return [(int(across[place]), int(across[place + 1])) for place in np.flatnonzero(enough)]


def _river(ordered: Sequence[Placed], before: int, after: int, bank: float) -> Iterator[River]:
    between = ordered[before + 1 : after]
    left = [piece for piece in between if piece.left < bank]
    right = [piece for piece in between if piece.left >= bank]
    left, right = _facing(left, right), _facing(right, left)
    if min(len(left), len(right)) < _LEAST_LINES:
        return
    first, last = max(_top(left), _top(right)), min(_bottom(left), _bottom(right))
    if not all(any(first < piece.level < last for piece in side) for side in (left, right)):
        return
    yield River(
        x=(max(piece.right for piece in left) + min(piece.left for piece in right)) / 2,
        top=ordered[before].level if before >= 0 else -math.inf,
        bottom=ordered[after].level if after < len(ordered) else math.inf,
        first=first,
        last=last,
    )


def _facing(pieces: Sequence[Placed], others: Sequence[Placed]) -> list[Placed]:
    """Those that have one of the others, which go downwards, beside them, or beside the gap to
    the next line."""
    levels = [other.level for other in others]

    def is_near(piece: Placed) -> bool:
        place = bisect(levels, piece.level)
        return any(
            other.top - piece.height < piece.level < other.bottom + piece.height
            for other in others[max(place - 1, 0) : place + 1]
        )

    return [piece for piece in pieces if is_near(piece)]


def _top(pieces: Sequence[Placed]) -> float:
    return min(piece.top for piece in pieces)


def _bottom(pieces: Sequence[Placed]) -> float:
    return max(piece.bottom for piece in pieces)
