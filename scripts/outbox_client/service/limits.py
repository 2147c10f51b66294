"""Keeping to the service's limits: how fast, how much at once, and how long it may fail."""

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..clock import Clock
from ..errors import ServiceUnavailableError
from ..settings import option
from .api import AsyncApi


@dataclass(frozen=True, kw_only=True, slots=True)
class SendingLimits:
    """What sending keeps to. The defaults are Baseten's published limits."""

    submits_per_second: float = option(
        200.0, "Requests sent in any one second.", min=0.1, envvar="OUTBOX_SUBMITS_PER_SECOND"
    )
    in_flight: int = option(
        5_000,
        "Requests queued and running at once, others' included.",
        min=1,
        envvar="OUTBOX_IN_FLIGHT",
    )
    give_up_after: float = option(
        300.0,
        "Seconds without any answer from the service after which sending stops.",
        "--patience",
        min=0,
        envvar="OUTBOX_PATIENCE",
    )


DEFAULT_LIMITS = SendingLimits()


_WINDOW_SECONDS = 1.0
# A thread that woke late may catch up by this much; more would be a burst.
_CATCH_UP_SECONDS = 0.1
_LOOK_AGAIN_SECONDS = 0.002
# The shortest way seen may have been a lucky one: so much of it is not relied on.
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


_FULL_QUEUE_SECONDS = 3_900.0
"""A run may take an hour: then a full queue must have moved."""
_FULL = 429  # the queue is full, or the rate too high: the service is well


class OutageLimit:
    """How long a service may fail: `seconds` without any answer, over all requests of a job."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._accepted_at = -math.inf

    def note_accepted(self) -> None:
        self._accepted_at = self._clock.elapsed()

    def is_exceeded(self, error: ServiceUnavailableError, *, since: float) -> bool:
        """Whether to give up a request that has failed since then, while others are accepted.

        Raises the error where no request is accepted: then the others would fail too.
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


_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 2.0
_FRESH_SECONDS = 1.0


class Window:
    """Room for `limit` requests at the service, by its own count: other senders' are included."""

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
        # Asked before room runs out, so that no sender waits while the queue keeps moving.
        if self._room < self._limit / 2 and self._asking.acquire(blocking=False):
            try:
                if self._clock.elapsed() - self._asked_at > _FRESH_SECONDS:
                    self.ask()
            finally:
                self._asking.release()

    def ask(self) -> None:
        """The answer may lack submits that had not ended when it was asked for: they count too."""
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
