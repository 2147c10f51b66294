"""Where the bars and labels of a histogram lie; the template draws them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..text import duration_text

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


WIDTH, HEIGHT = 600, 130
_TOP, _BASE = 8, 104
_WIDEST_BAR = 60.0
_LABEL_WIDTH = 110.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A bar in the drawing's units, and what it says."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """`labels` are pairs of a place on the horizontal axis and its text."""

    columns: list[Column]
    labels: list[tuple[float, str]]
    width: int = WIDTH
    height: int = HEIGHT
    base: int = _BASE


def histogram(bars: Sequence[Bar]) -> Chart:
    """Durations from left to right on a logarithmic scale, how many upwards on a linear one."""
    most = max((bar.count for bar in bars), default=1)
    width = min(WIDTH / max(len(bars), 1), _WIDEST_BAR)
    columns = [_column(at, bar, width=width, most=most) for at, bar in enumerate(bars)]
    every = math.ceil(_LABEL_WIDTH / width)
    labels = [
        (round(at * width, 1), duration_text(bar.low))
        for at, bar in enumerate(bars)
        if at % every == 0 and at * width + _LABEL_WIDTH <= WIDTH
    ]
    return Chart(columns=columns, labels=labels)


def _column(at: int, bar: Bar, *, width: float, most: int) -> Column:
    height = (_BASE - _TOP) * bar.count / most
    height = max(height, 2.0) if bar.count else 0.0
    return Column(
        x=round(at * width + 1, 1),
        y=round(_BASE - height, 1),
        width=round(width - 2, 1),
        height=round(height, 1),
        title=f"{duration_text(bar.low)} to {duration_text(bar.high)}: {bar.count:,}",
    )
