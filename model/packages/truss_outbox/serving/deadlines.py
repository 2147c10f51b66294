"""How long an inference may take, and what has become of one that took longer."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
from anyio import to_thread

from ..contract.errors import InferenceTimeoutError

T = TypeVar("T")

InThread = Callable[..., Awaitable[Any]]
"""Calls a blocking function with arguments, and returns what it returns."""


class Deadlines:
    """Gives each inference `seconds`. A thread cannot be stopped: one that goes on is known."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[object, float] = {}

    async def bounded(self, step: Callable[[], Awaitable[T]]) -> T:
        """Raises InferenceTimeoutError when the time is over; a coroutine is cancelled then."""
        with anyio.move_on_after(self._seconds):
            return await step()
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
