"""Where the bars and labels of a histogram lie; the template draws them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scripts.client.report.distribution import Bar
from scripts.client.report.measures import duration_text

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
