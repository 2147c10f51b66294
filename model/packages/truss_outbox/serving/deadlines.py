"""How long an inference may take, for whom, and what has become of one that took longer."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import anyio
from anyio import to_thread
from starlette.requests import Request

from ..contract.errors import AbandonedError, InferenceTimeoutError

T = TypeVar("T")

InThread = Callable[..., Awaitable[Any]]
"""Calls a blocking function with arguments, and returns what it returns."""


_LOOK_SECONDS = 0.5
"""How often a caller is looked for; nothing of it is needed for an inference that is shorter."""


class Abandonment:
    """That nobody waits for an inference any more; tells those who can end what it still does."""

    def __init__(self) -> None:
        self.has_happened = False
        self._endings: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    @contextmanager
    def then(self, end: Callable[[], None]) -> Iterator[None]:
        """Inside `with`, `end` is called, in any thread, when it happens, or has."""
        with self._lock:
            self._endings.append(end)
            if self.has_happened:
                end()
        try:
            yield
        finally:
            with self._lock:
                self._endings.remove(end)

    def happen(self) -> None:
        with self._lock:
            self.has_happened = True
            for end in self._endings:
                end()


_abandonment: ContextVar[Abandonment | None] = ContextVar("abandonment", default=None)


def current_abandonment() -> Abandonment:
    """Of the inference that this code is part of, in whichever thread."""
    return _abandonment.get() or Abandonment()


@contextmanager
def _can_be_abandoned() -> Iterator[Abandonment]:
    abandonment = Abandonment()
    token = _abandonment.set(abandonment)
    try:
        yield abandonment
    finally:
        _abandonment.reset(token)


async def while_waited_for(caller: Request, step: Callable[[], Awaitable[T]]) -> T:
    """What the step returns. When its caller has gone a coroutine is cancelled, and what a thread
    runs isolated is ended; what else a thread does goes on, since nothing can end it.

    Raises AbandonedError.
    """
    with _can_be_abandoned() as abandonment, anyio.CancelScope() as scope:

        async def watch() -> None:
            await asyncio.sleep(_LOOK_SECONDS)
            while not await caller.is_disconnected():
                await asyncio.sleep(_LOOK_SECONDS)
            abandonment.happen()
            scope.cancel()

        watching = asyncio.create_task(watch())
        try:
            return await step()
        finally:
            watching.cancel()
    raise AbandonedError


class Deadlines:
    """Gives each inference `seconds`. A thread cannot be stopped: one that goes on is known."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[object, float] = {}

    async def bounded(self, step: Callable[[], Awaitable[T]]) -> T:
        """Raises InferenceTimeoutError when the time is over; a coroutine is cancelled then."""
        with _can_be_abandoned() as abandonment:
            with anyio.move_on_after(self._seconds):
                return await step()
            abandonment.happen()
        raise InferenceTimeoutError(self._seconds)

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a blocking function. When the time is over, nobody waits for it any more."""
        return await to_thread.run_sync(self._watched, function, arguments, abandon_on_cancel=True)

    @property
    def is_wedged(self) -> bool:
        """Whether a function is still running whose time was over: it holds the model's GPU."""
        return any(deadline < time.monotonic() for deadline in list(self._running.values()))

    def _watched(self, function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        run = object()
        self._running[run] = time.monotonic() + self._seconds
        try:
            return function(*arguments)
        finally:
            del self._running[run]
