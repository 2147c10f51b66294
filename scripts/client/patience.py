"""How long failing is borne, by one request and by all of them."""

import math

from scripts.client.clock import Clock
from scripts.client.errors import ServiceUnavailableError

_FULL_QUEUE_SECONDS = 3_900.0
"""A run may take an hour: then a full queue must have moved."""
_FULL = 429


class Patience:
    """Of a job's requests with a service that fails; `seconds` without any answer end it."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._accepted_at = -math.inf

    def note_accepted(self) -> None:
        self._accepted_at = self._clock.elapsed()

    def is_over(self, error: ServiceUnavailableError, *, since: float) -> bool:
        """Whether a request that fails since then fails for good, while others are accepted.

        Raises the error where none is: then the next would fare no better.
        """
        now = self._clock.elapsed()
        if error.status == _FULL:
            if now - max(since, self._accepted_at) > _FULL_QUEUE_SECONDS:
                raise error
            return False
        if now - since < self._seconds:
            return False
        if self._accepted_at < since:
            raise error
        return True
