"""How much the service takes: how often, how many at once, how large."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Baseten's by default. `status_per_second` holds for status and for cancel, each by itself.

    `max_waiting` requests are queued and running at once. Other descriptions of the service say
    100 statuses a second, and 50,000 waiting.
    """

    submits_per_second: float = 200.0
    status_per_second: float = 20.0
    max_waiting: int = 5_000
    max_body_bytes: int = 262_144


class RateLimit:
    """So many calls a second, and as many at once after a second without any."""

    def __init__(self, per_second: float, *, clock: Callable[[], float]) -> None:
        self.per_second = per_second
        self._capacity = max(1.0, per_second)
        self._left = self._capacity
        self._clock = clock
        self._at = clock()

    def take(self) -> bool:
        """Whether one more call keeps the limit; one that does not costs nothing."""
        now = self._clock()
        refilled = self._left + max(0.0, now - self._at) * self.per_second
        self._left = min(self._capacity, refilled)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
