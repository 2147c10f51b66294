"""Calling one function with many items, several at a time."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event
from typing import TypeVar

WORKERS = 8

INTERRUPTED = Event()
"""Set once somebody has asked this process to end: no thread of it waits any longer."""

T = TypeVar("T")
R = TypeVar("R")


def in_threads(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int = WORKERS,
    halt: Callable[[], None] | None = None,
) -> Generator[R, None, None]:
    """Results as they come, in any order; at most `2 * workers` items are taken ahead of them.

    The first error is raised once the calls under way have ended; no other begins. `halt` is
    called before they are waited for, so that long ones may end early.
    """
    # A queue, because `as_completed` would need every future, and so every item, at once.
    done: SimpleQueue[Future[R]] = SimpleQueue()
    pending: set[Future[R]] = set()

    def next_result() -> R:
        future = done.get()
        pending.remove(future)
        return future.result()

    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                future = pool.submit(function, item)
                pending.add(future)
                future.add_done_callback(done.put)
                while len(pending) >= 2 * workers or not done.empty():
                    yield next_result()
            while pending:
                yield next_result()
        finally:
            for future in pending:
                future.cancel()
            if halt is not None:
                halt()


def pause(seconds: float) -> None:
    """Raises KeyboardInterrupt, in whichever thread, once the process was asked to end."""
    if INTERRUPTED.wait(seconds):
        raise KeyboardInterrupt
