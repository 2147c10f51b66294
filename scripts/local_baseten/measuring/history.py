"""The last hour, second by second, for the page to draw."""

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

KEPT_SECONDS = 3_600
_KEPT_VALUES = 12
_POINTS = 60


class CallKind(StrEnum):
    """What is measured in seconds."""

    TIME_IN_QUEUE = "time_in_queue"
    ASYNC = "async"
    SYNC = "sync"


@dataclass(slots=True)
class _Values:
    """Counts all values and keeps a fair sample: each has the same chance to be in it."""

    count: int = 0
    sample: list[float] = field(default_factory=list)

    def add(self, value: float) -> None:
        self.count += 1
        if len(self.sample) < _KEPT_VALUES:
            self.sample.append(value)
        elif (place := int(random.random() * self.count)) < _KEPT_VALUES:  # noqa: S311  # no secret
            self.sample[place] = value


@dataclass(slots=True)
class _Second:
    at: int
    queued: int | None = None
    running: int | None = None
    values: dict[CallKind, _Values] = field(
        default_factory=lambda: {kind: _Values() for kind in CallKind}
    )


class History:
    """The last hour, in memory; a second's many values are known by a sample."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seconds: deque[_Second] = deque()

    def add(self, kind: CallKind, seconds: float) -> None:
        self._now().values[kind].add(seconds)

    def counted(self, *, queued: int, running: int) -> None:
        now = self._now()
        now.queued, now.running = queued, running

    def points(self, window_seconds: int) -> list[dict[str, Any]]:
        """60 of them, oldest first, the last one still growing; JSON."""
        step = max(1, window_seconds // _POINTS)
        last = int(self._monotonic()) // step
        groups: dict[int, list[_Second]] = {}
        for second in reversed(self._seconds):
            if second.at // step <= last - _POINTS:
                break
            groups.setdefault(second.at // step, []).append(second)
        return [_point(groups.get(last - ago, ())) for ago in reversed(range(_POINTS))]

    def _now(self) -> _Second:
        at = int(self._monotonic())
        if not self._seconds or self._seconds[-1].at != at:
            self._seconds.append(_Second(at))
            while self._seconds[0].at <= at - KEPT_SECONDS:
                self._seconds.popleft()
        return self._seconds[-1]


def _point(seconds: Sequence[_Second]) -> dict[str, Any]:
    point: dict[str, Any] = {
        "queued": _most(second.queued for second in seconds),
        "running": _most(second.running for second in seconds),
    }
    for kind in CallKind:
        values = [second.values[kind] for second in seconds]
        point[kind] = {"count": sum(one.count for one in values)} | _quantiles(values)
    return point


def _most(counts: Iterable[int | None]) -> int | None:
    return max((count for count in counts if count is not None), default=None)


def _quantiles(values: Sequence[_Values]) -> dict[str, float]:
    """Over the samples: a second with a thousand values counts no more than one with 12."""
    ordered = sorted(value for one in values for value in one.sample)
    if not ordered:
        return {}
    return {
        name: ordered[min(len(ordered) - 1, int(len(ordered) * share))]
        for name, share in (("p50", 0.5), ("p95", 0.95))
    }
