"""Doing the same with many items, a few at a time."""

from collections.abc import Callable, Iterable, Iterator
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
    stop: Callable[[], None] | None = None,
) -> Iterator[R]:
    """Results as they come, in any order; few items are taken ahead of the results.

    The first error is raised, after what is under way, which `stop` may cut short; the rest is
    not begun.
    """
    ended: SimpleQueue[Future[R]] = SimpleQueue()
    pending: set[Future[R]] = set()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                future = pool.submit(function, item)
                pending.add(future)
                future.add_done_callback(ended.put)
                if len(pending) >= 2 * workers:
                    yield _next(ended, pending)
            while pending:
                yield _next(ended, pending)
        finally:
            for future in pending:
                future.cancel()
            if stop is not None:
                stop()


def _next(ended: "SimpleQueue[Future[R]]", pending: set[Future[R]]) -> R:
    future = ended.get()
    pending.remove(future)
    return future.result()
