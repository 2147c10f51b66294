"""Keeping below a rate limit, as the side that counts the calls sees it."""

import math
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from ..clock import Clock

_WINDOW_SECONDS = 1.0
_CATCH_UP_SECONDS = 0.1
_LOOK_AGAIN_SECONDS = 0.002
_JITTER_SECONDS = 0.01


class Pace:
    """At most `per_second` calls arrive within any one second, over all threads.

    A call arrives somewhere between its start and its answer. So it counts from its start until a
    second after its answer, less most of the shortest way there and back that was ever seen: each
    call goes that way. What is left is spaced evenly, a short delay caught up with.
    """

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._most = max(1, math.floor(per_second))
        self._interval_seconds = 1 / per_second
        self._clock = clock
        self._queue = threading.Lock()  # whose turn is next
        self._counts = threading.Lock()
        self._next = 0.0
        self._under_way = 0
        self._answered = 0
        self._counted_until: deque[float] = deque()
        self._shortest_seconds = math.inf

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits until a call may start; the call is what happens inside."""
        with self._queue:
            while (seconds := self._seconds_to_wait()) > 0:
                self._clock.sleep(seconds)
        start = self._clock.elapsed()
        answered = False
        try:
            yield
            answered = True
        finally:
            self._end(start, answered=answered)

    def _seconds_to_wait(self) -> float:
        """Zero where a call may start: then it has."""
        with self._counts:
            now = self._clock.elapsed()
            while self._counted_until and self._counted_until[0] <= now:
                self._counted_until.popleft()
            if self._under_way + len(self._counted_until) >= self._most:
                first = self._counted_until[0] - now if self._counted_until else math.inf
                return min(first, _LOOK_AGAIN_SECONDS) if self._under_way else first
            if self._next > now:
                return self._next - now
            self._next = max(self._next, now - _CATCH_UP_SECONDS) + self._interval_seconds
            self._under_way += 1
            return 0.0

    def _end(self, start: float, *, answered: bool) -> None:
        with self._counts:
            now = self._clock.elapsed()
            if answered:
                self._answered += 1
                self._shortest_seconds = min(self._shortest_seconds, now - start)
            certain_seconds = self._certain_seconds() if answered else 0.0
            self._under_way -= 1
            self._counted_until.append(now - certain_seconds + _WINDOW_SECONDS)

    def _certain_seconds(self) -> float:
        """Of the way there and back; nothing while too few calls have shown what is short."""
        if self._answered < self._most:
            return 0.0
        return 0.9 * max(0.0, self._shortest_seconds - _JITTER_SECONDS)
