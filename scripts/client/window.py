"""Keeping below the number of requests that may be queued and running at once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scripts.client.api import AsyncApi
from scripts.client.clock import Clock

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
