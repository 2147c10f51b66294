"""Storing beside the inference: at most so many results at a time, whether or not anyone waits."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from anyio import to_thread

from . import metrics

P = ParamSpec("P")
T = TypeVar("T")


class BoundedExecutor:
    """A thread pool whose `submit_soon` waits while `limit` calls are unfinished."""

    def __init__(self, limit: int) -> None:
        self._free = threading.BoundedSemaphore(limit)
        self._pool = ThreadPoolExecutor(limit, thread_name_prefix="outbox-upload")

    async def submit_soon(
        self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> "Future[T]":
        # Waits in the predict slot: Truss begins no further request, and the disk does not fill up.
        if not self._free.acquire(blocking=False):
            await to_thread.run_sync(self._free.acquire)
        return self._submit(function, *args, **kwargs)

    def _submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        metrics.PENDING_RESULTS.inc()
        try:
            future = self._pool.submit(function, *args, **kwargs)
        except RuntimeError:  # The interpreter is shutting down.
            self._finished()
            raise
        future.add_done_callback(lambda _: self._finished())
        return future

    def _finished(self) -> None:
        metrics.PENDING_RESULTS.dec()
        self._free.release()
