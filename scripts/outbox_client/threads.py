"""Calling one function with many items, several at a time."""

import _thread
import contextlib
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any, Generic, NoReturn, TypeVar

WORKERS = 8

INTERRUPTED = Event()
"""Set once somebody has asked this process to end: no thread of it waits any longer."""

_HELD_BACK_SECONDS = 0.05
"""So long a result may wait for others: waking the caller for each costs more than most calls."""

_IDLE_SECONDS = 1.0

T = TypeVar("T")
R = TypeVar("R")

Call = Callable[[], Any]
Task = Generator[Call, Any, R]
"""Yields calls; is sent what each returns, or has thrown in what it raises."""


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

    def task(item: T) -> Task[R]:
        result: R = yield partial(function, item)
        return result

    return in_steps(map(task, items), workers=workers, most=most, halt=halt)


def in_steps(
    tasks: Iterable[Task[R]],
    *,
    workers: int = WORKERS,
    most: int | None = None,
    halt: Callable[[], None] | None = None,
) -> Generator[R, None, None]:
    """What tasks return. As `in_threads`, but only their calls are made in threads.

    All else they do in the caller's: threads that compute wait for one another more than they
    work.
    """
    crew: _Crew[R] = _Crew(workers=workers, most=max(workers, most or workers))
    try:
        for task in tasks:
            yield from _go_on(crew, task, None)
            yield from _come(crew, wait=False)
            while crew.is_full:
                yield from _come(crew, wait=True)
        while crew.pending:
            yield from _come(crew, wait=True)
    finally:
        crew.end(halt)


def one_ahead(items: Iterable[T]) -> Iterator[T]:
    """The same; the next one is taken in a thread while one is used."""
    left, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, left, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, left, end)
            yield item  # type: ignore[misc]  # it is not `end`


def done_here(task: Task[R]) -> R:
    """What one task returns, its calls made in the caller's thread too."""
    came: Any = None
    while True:
        try:
            call = _next_call(task, came)
        except StopIteration as end:
            result: R = end.value
            return result
        try:
            came = call()
        except BaseException as error:  # noqa: BLE001  # the task is told
            came = _Raised(error)


def _next_call(task: Task[R], came: Any) -> Call:
    """Of a task whose last call has ended so. Raises StopIteration where the task has ended."""
    return task.throw(came.error) if isinstance(came, _Raised) else task.send(came)


def _come(crew: "_Crew[R]", *, wait: bool) -> Iterator[R]:
    for task, came in crew.results(wait=wait):
        yield from _go_on(crew, task, came)


def _go_on(crew: "_Crew[R]", task: Task[R], came: Any) -> Iterator[R]:
    try:
        call = _next_call(task, came)
    except StopIteration as end:
        yield end.value
    else:
        crew.give(task, call)


def pause(seconds: float) -> None:
    """Raises KeyboardInterrupt, in whichever thread, once the process was asked to end."""
    if INTERRUPTED.wait(seconds):
        raise KeyboardInterrupt


def interrupt(*_: object) -> NoReturn:
    """The handler of a signal that asks this process to end."""
    set_by_handler(INTERRUPTED)
    raise KeyboardInterrupt


def set_by_handler(event: Event) -> None:
    """In the handler of a signal: the thread that it came to may hold the event's lock."""
    _thread.start_new_thread(event.set, ())


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Crew(Generic[R]):
    """Threads that take calls from one queue. All methods but `_work` are for the caller's."""

    def __init__(self, *, workers: int, most: int) -> None:
        self.pending = 0
        self._size = Size(workers, most)
        self._threads: list[threading.Thread] = []
        self._retired = self._ended = 0
        # None: one of the threads may go.
        self._waiting: SimpleQueue[tuple[Task[R], Call] | None] = SimpleQueue()
        self._done: deque[tuple[Task[R], Any]] = deque()
        self._enough = Event()
        self._is_over = False
        self._shortest_seconds = math.inf

    @property
    def is_full(self) -> bool:
        return self.pending >= 2 * self._size.now

    def give(self, task: Task[R], call: Call) -> None:
        self.pending += 1
        self._waiting.put((task, call))
        if len(self._threads) - self._retired < self._size.now:
            thread = threading.Thread(target=self._work, name="outbox-worker")
            self._threads.append(thread)
            thread.start()

    def results(self, *, wait: bool) -> Iterator[tuple[Task[R], Any]]:
        """Of calls that have ended, what they returned or, as _Raised, what they raised."""
        if wait and not self._done:
            self._enough.clear()
            # Looked at again once it is cleared: it may have been set right before.
            if not self._has_enough():
                self._enough.wait(_HELD_BACK_SECONDS)
        while self._done:
            self.pending -= 1
            self._ended += 1
            yield self._done.popleft()
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
        while (given := self._next()) is not None and not self._is_over:
            task, call = given
            result: Any
            began = time.monotonic()
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001  # the task is told
                result = _Raised(error)
            self._shortest_seconds = min(self._shortest_seconds, time.monotonic() - began)
            self._done.append((task, result))
            if self._has_enough():
                self._enough.set()

    def _next(self) -> tuple[Task[R], Call] | None:
        # Who leaves the results in the middle, and then the process, may never have closed them.
        while threading.main_thread().is_alive():
            with contextlib.suppress(Empty):
                return self._waiting.get(timeout=_IDLE_SECONDS)
        return None


_LOOK_SECONDS, _AGAIN_SECONDS = 0.1, 2.0
_ROUNDS = 4  # of calls that end together: fewer would tell more of chance than of the bucket
_WORTH_IT = 1.15
_LEAST_OWN_SECONDS = 0.0002
"""What this process computes for each call, at least."""

_PROCESSORS = min(2, os.cpu_count() or 1)
"""That it computes on: half of it is in obstore and in the system, where no lock is held."""


class Size:
    """How many work at a time: as many as the shortest call leaves time for, then twice as many
    while that gets more done, tried now and then.

    `computed` is the processor's time of this process: more threads than keep it busy only wait for
    one another.
    """

    def __init__(
        self,
        first: int,
        most: int,
        *,
        elapsed: Callable[[], float] = time.monotonic,
        computed: Callable[[], float] = time.process_time,
        processors: int = _PROCESSORS,
    ) -> None:
        self.now = self._before = first
        self._most, self._processors = most, processors
        self._elapsed, self._computed = elapsed, computed
        self._computed_before = computed()
        self._rate = 0.0
        self._is_trial = self._is_fitted = False
        self._try_at = self._since = self._elapsed()
        self._again_seconds = _AGAIN_SECONDS
        self._ended = 0

    def look(self, ended: int, shortest_seconds: float) -> int:
        """How many too many there are, by how many calls have ended, and the shortest of them."""
        if self._most == self.now and not self._is_trial:
            return 0
        count = ended - self._ended
        if not self._is_fitted:
            if count >= self.now:
                self._fit(count, shortest_seconds)
                self._since, self._ended = self._elapsed(), ended
            return 0
        now = self._elapsed()
        if count < _ROUNDS * self.now or now - self._since < _LOOK_SECONDS:
            return 0
        before, self._rate = self._rate, count / (now - self._since)
        self._since, self._ended = now, ended
        if self._is_trial and self._rate < _WORTH_IT * before:
            # Ever more rarely: a trial costs as well.
            self._is_trial, self._try_at = False, now + self._again_seconds
            self._again_seconds *= 2
            too_many, self.now = self.now - self._before, self._before
            return too_many
        self._is_trial = now >= self._try_at and self.now < self._most
        if self._is_trial:
            self._before, self.now = self.now, min(2 * self.now, self._most)
        return 0

    def _fit(self, count: int, shortest_seconds: float) -> None:
        """By one round of calls after the other: the first ones cost more than those after."""
        computed = self._computed()
        own_seconds = (computed - self._computed_before) / count
        self._computed_before = computed
        fitting = self._processors * shortest_seconds / max(_LEAST_OWN_SECONDS, own_seconds)
        before, self.now = self.now, min(self._most, max(self.now, int(fitting)))
        is_first = self._ended == 0
        self._is_fitted = self.now == before and not is_first
