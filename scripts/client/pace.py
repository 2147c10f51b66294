"""Keeping below a rate limit."""

import threading

from scripts.client.clock import Clock


class Pace:
    """At most so many calls a second, over all threads."""

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._interval_seconds = 1 / per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        with self._lock:
            now = self._clock.now()
            start = min(max(now, self._next), now + 60)
            self._next = start + self._interval_seconds
        if start > now:
            self._clock.sleep(start - now)
