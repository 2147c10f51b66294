"""How fast and how much at once: the service's documented limits, unless you say otherwise."""

import math
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..clock import Clock
from ..errors import ServiceUnavailableError
from ..service.api import AsyncApi

_PATIENCE_HELP = "Seconds without any answer from the service after which sending stops."


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What sending keeps to. The defaults are Baseten's published limits."""

    submits_per_second: float = field(
        default=200.0,
        metadata={
            "min": 0.1,
            "help": "Requests sent in any one second.",
            "envvar": "OUTBOX_SUBMITS_PER_SECOND",
        },
    )
    in_flight: int = field(
        default=5_000,
        metadata={
            "min": 1,
            "help": "Requests queued and running at once, others' included.",
            "envvar": "OUTBOX_IN_FLIGHT",
        },
    )
    patience: float = field(
        default=300.0,
        metadata={"min": 0, "help": _PATIENCE_HELP, "envvar": "OUTBOX_PATIENCE"},
    )


DEFAULT_LIMITS = Limits()


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


_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 10.0
_MOST_DOUBLINGS = 10


def pause_seconds(failures: int, *, chance: Callable[[], float] = random.random) -> float:
    """After so many failures in a row (1 or more), anything from nothing to twice as much as
    before, so that those who failed together do not come back together."""
    doublings = min(failures - 1, _MOST_DOUBLINGS)
    return chance() * min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0**doublings)


_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 2.0
_FRESH_SECONDS = 1.0


class Window:
    """Room for so many requests, whoever sent them: by the service's own count of its queue."""

    def __init__(
        self, limit: int, api: AsyncApi, *, clock: Clock, pause: Callable[[float], None]
    ) -> None:
        self._limit = limit
        self._api = api
        self._clock = clock
        self._pause = pause
        self._asking = threading.Lock()
        self._counts = threading.Lock()
        self._room = 0
        self._begun = 0
        self._ended = 0
        self._asked_at = 0.0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Waits until there is room; the submit is what happens inside.

        Raises ServiceError where the queue cannot be asked, and what `pause` raises.
        """
        self._enter()
        try:
            yield
        finally:
            with self._counts:
                self._ended += 1

    def _enter(self) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while not self._taken():
            with self._asking:
                if self._room > 0:
                    continue
                self.ask()
                if self._room > 0:
                    continue
                self._pause(pause_seconds)
                pause_seconds = min(_LONGEST_PAUSE_SECONDS, pause_seconds * 1.5)
        # Asked ahead of need, so that nobody waits while the queue keeps moving.
        if self._room < self._limit / 2 and self._asking.acquire(blocking=False):
            try:
                if self._clock.elapsed() - self._asked_at > _FRESH_SECONDS:
                    self.ask()
            finally:
                self._asking.release()

    def ask(self) -> None:
        """What was begun and not ended before the question may be missing in the answer."""
        ended = self._ended
        queue = self._api.queue_status()
        with self._counts:
            unseen = self._begun - ended
            self._room = self._limit - queue.queued - queue.in_progress - unseen
            self._asked_at = self._clock.elapsed()

    def _taken(self) -> bool:
        with self._counts:
            if self._room <= 0:
                return False
            self._room -= 1
            self._begun += 1
            return True
