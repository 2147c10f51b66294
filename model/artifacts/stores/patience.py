"""Repeating what a store may yet do, for a bounded time."""

from collections.abc import Callable
from typing import TypeVar

from model.artifacts.errors import StoreUnavailableError

T = TypeVar("T")


def patiently(
    operation: Callable[[], T],
    *,
    timeout_seconds: float,
    on_retry: Callable[[], None] = lambda: None,
) -> T:
    """Repeat an operation that raises StoreUnavailableError, with exponential backoff and jitter.

    The last error is raised when `timeout_seconds` are over.
    """
    import stamina  # noqa: PLC0415  # 0.05 seconds that readers need not pay

    for attempt in stamina.retry_context(
        on=StoreUnavailableError,
        attempts=None,
        timeout=timeout_seconds,
        wait_initial=0.1,
        wait_max=5.0,
        wait_jitter=0.5,
    ):
        with attempt:
            if attempt.num > 1:
                on_retry()
            return operation()
    raise AssertionError("unreachable: the last attempt raises")
