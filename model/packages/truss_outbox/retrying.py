"""Which calls may succeed the next time, and how long and how often they are repeated.

One rule for the model and the companion, for the bucket, the token services before it, and the
async API.
"""

import contextlib
import itertools
import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from .contract.errors import StoreUnavailableError

T = TypeVar("T")

# Not to be mended by waiting: not implemented, a version of HTTP, a network that wants a login.
_PERMANENT_FAULTS = {501, 505, 510, 511}
TRANSIENT_STATUS = frozenset({408, 425, 429, *range(500, 600)} - _PERMANENT_FAULTS)
"""HTTP's, and what proxies put in its place: 507, 509, Cloudflare's 520 to 524."""

TRANSIENT_CODES = frozenset(
    {
        *("InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown"),
        # Two conditional writes to one key: S3 wants the second one again.
        *("ConditionalRequestConflict", "OperationAborted"),
        *("RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"),
        # The body was damaged on its way: it is sent again from its file.
        *("BadDigest", "IncompleteBody"),
        *("XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"),
        "IDPCommunicationError",
    }
)
"""S3's and STS's own, whatever the status: it may be 200 where an upload is completed."""


def is_transient(status: int | None, code: str = "") -> bool:
    """Whether the same call may succeed later. `status` is None where there was no answer."""
    return status is None or status in TRANSIENT_STATUS or code in TRANSIENT_CODES


def retry_after_seconds(header: str | None) -> float | None:
    """What an answer's Retry-After asks for; None for a date, which no bucket sends."""
    return float(header) if header and header.strip().isdecimal() else None


LONGEST_WAIT_SECONDS = 120.0
"""How long the companion repeats a call: it outlasts a bad minute."""

_FIRST_SECONDS, _LONGEST_SECONDS = 0.2, 8.0
_MOST_DOUBLINGS = 10


def pause_seconds(failures: int, *, chance: Callable[[], float] = random.random) -> float:
    """Between half of a bound and all of it; the bound doubles with every failure (from 1).

    Random, so that callers that failed together do not come back together.
    """
    bound = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))
    return bound * (0.5 + 0.5 * chance())


def patiently(
    operation: Callable[[], T],
    *,
    timeout_seconds: float,
    on: type[Exception] = StoreUnavailableError,
    on_wait: Callable[[float], None] = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
    elapsed: Callable[[], float] = time.monotonic,
) -> T:
    """Repeat an operation that raises `on`; no try begins after `timeout_seconds`.

    It waits for as long as the error's `retry_after_seconds` asks, within that time. Before each
    pause `on_wait` is told at how many seconds after the beginning it will end. The last error is
    raised.
    """
    began = elapsed()
    for failures in itertools.count(1):
        try:
            return operation()
        except on as error:
            past = elapsed() - began
            left = timeout_seconds - past
            if left <= 0 or failures == _most_tries:
                raise
            wanted = max(pause_seconds(failures), getattr(error, "retry_after_seconds", None) or 0)
            seconds = min(wanted, left)
        on_wait(past + seconds)
        pause(seconds if _most_tries is None else 0)
    raise AssertionError("unreachable: the last try raises")


_most_tries: int | None = None


@contextlib.contextmanager
def without_pauses(*, tries: int | None) -> Iterator[None]:
    """For tests: so many tries at most, one right after the other. None: as without this block."""
    global _most_tries  # noqa: PLW0603  # as long as the block, for all threads
    before, _most_tries = _most_tries, tries
    try:
        yield
    finally:
        _most_tries = before
