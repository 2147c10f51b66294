"""Calling one function with many items, several at a time."""

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from queue import Empty, SimpleQueue
from threading import Event
from typing import Generic, TypeVar

WORKERS = 8

INTERRUPTED = Event()
"""Set once somebody has asked this process to end: no thread of it waits any longer."""

_HELD_BACK_SECONDS = 0.05
"""So long a result may wait for others: waking the caller for each costs more than most calls."""

_IDLE_SECONDS = 1.0

T = TypeVar("T")
R = TypeVar("R")


def in_threads(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int = WORKERS,
    most: int | None = None,
    halt: Callable[[], None] | None = None,
) -> Generator[R, None, None]:
    """Results as they come, in any order; at most `2 * workers` items are taken ahead of them.

    Up to `most` work at a time, as long as more of them get more done: where each waits for a far
    bucket. The items are taken in the caller's thread. The first error is raised once the calls
    under way have ended; no other begins. `halt` is called before they are waited for, so that
    long ones may end early.
    """
    crew = _Crew(function, workers=workers, most=max(workers, most or workers))
    try:
        for item in items:
            crew.give(item)
            yield from crew.results(wait=False)
            while crew.is_full:
                yield from crew.results(wait=True)
        while crew.pending:
            yield from crew.results(wait=True)
    finally:
        crew.end(halt)


def pause(seconds: float) -> None:
    """Raises KeyboardInterrupt, in whichever thread, once the process was asked to end."""
    if INTERRUPTED.wait(seconds):
        raise KeyboardInterrupt


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Crew(Generic[T, R]):
    """Threads that take from one queue. All methods but `_work` are for the caller's thread."""

    def __init__(self, function: Callable[[T], R], *, workers: int, most: int) -> None:
        self.pending = 0
        self._function = function
        self._size = _Size(workers, most)
        self._threads: list[threading.Thread] = []
        self._retired = self._ended = 0
        self._waiting: SimpleQueue[tuple[T] | None] = SimpleQueue()  # None: one of them may go
        self._done: deque[R | _Raised] = deque()
        self._enough = Event()
        self._is_over = False
        self._shortest_seconds = math.inf

    @property
    def is_full(self) -> bool:
        return self.pending >= 2 * self._size.now

    def give(self, item: T) -> None:
        self.pending += 1
        self._waiting.put((item,))
        if len(self._threads) - self._retired < self._size.now:
            thread = threading.Thread(target=self._work, name="outbox-worker")
            self._threads.append(thread)
            thread.start()

    def results(self, *, wait: bool) -> Generator[R, None, None]:
        """Those that are there. Raises what the function has raised."""
        if wait and not self._done:
            self._enough.clear()
            # Looked at again once it is cleared: it may have been set right before.
            if not self._has_enough():
                self._enough.wait(_HELD_BACK_SECONDS)
        while self._done:
            result = self._done.popleft()
            self.pending -= 1
            self._ended += 1
            if isinstance(result, _Raised):
                raise result.error
            yield result
        for _ in range(self._size.look(self._ended, self._shortest_seconds)):
            self._retired += 1
            self._waiting.put(None)

    def end(self, halt: Callable[[], None] | None) -> None:
        self._is_over = True
        for _ in self._threads:
            self._waiting.put(None)
        if halt is not None:
            halt()
        for thread in self._threads:
            thread.join()

    def _has_enough(self) -> bool:
        return len(self._done) >= max(1, self._size.now // 2) or len(self._done) == self.pending

    def _work(self) -> None:
        while (item := self._next()) is not None and not self._is_over:
            result: R | _Raised
            began = time.monotonic()
            try:
                result = self._function(*item)
            except BaseException as error:  # noqa: BLE001  # the caller's thread raises it
                result = _Raised(error)
            self._shortest_seconds = min(self._shortest_seconds, time.monotonic() - began)
            self._done.append(result)
            if self._has_enough():
                self._enough.set()

    def _next(self) -> tuple[T] | None:
        # Who leaves the results in the middle, and then the process, may never have closed them.
        while threading.main_thread().is_alive():
            with contextlib.suppress(Empty):
                return self._waiting.get(timeout=_IDLE_SECONDS)
        return None


_LOOK_SECONDS, _AGAIN_SECONDS = 0.1, 2.0
_ROUNDS = 4  # of calls that end together: fewer would tell more of chance than of the bucket
_WORTH_IT = 1.15
_OWN_SECONDS = 0.0006
"""Of a call that fetches or stores something small, what this process computes."""


class _Size:
    """How many work at a time: as many as the shortest call leaves time for, then twice as many
    while that gets more done, tried now and then."""

    def __init__(self, first: int, most: int) -> None:
        self.now = first
        self._most = most
        self._rate = 0.0
        self._is_trial = self._is_begun = False
        self._try_at = self._since = time.monotonic()
        self._again_seconds = _AGAIN_SECONDS
        self._ended = 0

    def look(self, ended: int, shortest_seconds: float) -> int:
        """How many too many there are, by how many calls have ended."""
        if self._most == self.now and not self._is_trial:
            return 0
        if not self._is_begun and ended >= self.now:
            self._is_begun, self._since, self._ended = True, time.monotonic(), ended
            self.now = min(self._most, max(self.now, int(shortest_seconds / _OWN_SECONDS)))
        now, count = time.monotonic(), ended - self._ended
        if count < _ROUNDS * self.now or now - self._since < _LOOK_SECONDS:
            return 0
        before, self._rate = self._rate, count / (now - self._since)
        self._since, self._ended = now, ended
        if self._is_trial and self._rate < _WORTH_IT * before:
            # Ever more rarely: a trial costs as well.
            self._is_trial, self._try_at = False, now + self._again_seconds
            self._again_seconds *= 2
            self.now //= 2
            return self.now
        self._is_trial = now >= self._try_at and 2 * self.now <= self._most
        if self._is_trial:
            self.now *= 2
        return 0
