"""Doing the same with many items, a few at a time."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

WORKERS = 8

T = TypeVar("T")
R = TypeVar("R")


def in_threads(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int = WORKERS,
    halt: Callable[[], None] | None = None,
) -> Generator[R, None, None]:
    """Results as they come, in any order; few items are taken ahead of the results.

    The first error is raised, after what is under way; the rest is not begun. `halt` tells what
    is under way that nobody waits for it any more, however it ends.
    """
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
