"""Durations of any number of results in constant memory."""

import math
from dataclasses import dataclass, field

_PER_DECADE = 50
_DECADES = 9
_PER_BAR = 10  # five bars for a factor of ten


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """How many took from `low` to `high` milliseconds."""

    low: float
    high: float
    count: int


@dataclass(kw_only=True, slots=True)
class Distribution:
    """Milliseconds from 1 to eleven days, told apart to five per cent."""

    count: int = 0
    largest: float = 0.0
    _bins: list[int] = field(default_factory=lambda: [0] * (_PER_DECADE * _DECADES))

    def add(self, milliseconds: float) -> None:
        if not math.isfinite(milliseconds):
            return
        position = int(math.log10(max(milliseconds, 1.0)) * _PER_DECADE)
        self._bins[min(position, len(self._bins) - 1)] += 1
        self.count += 1
        self.largest = max(self.largest, milliseconds)

    def quantile(self, share: float) -> float:
        """What `share` of them took at most; 0 where there are none."""
        wanted, seen = max(1, math.ceil(share * self.count)), 0
        for position, count in enumerate(self._bins):
            seen += count
            if seen >= wanted:
                return min(_edge(position + 1), self.largest)
        return 0.0

    def bars(self) -> list[Bar]:
        """From the first that holds something to the last, those between that hold nothing too."""
        sums = [
            sum(self._bins[start : start + _PER_BAR])
            for start in range(0, len(self._bins), _PER_BAR)
        ]
        filled = [position for position, count in enumerate(sums) if count]
        return [
            Bar(low=_edge(at * _PER_BAR), high=_edge((at + 1) * _PER_BAR), count=sums[at])
            for at in (range(filled[0], filled[-1] + 1) if filled else ())
        ]


def _edge(position: int) -> float:
    return float(10 ** (position / _PER_DECADE))
