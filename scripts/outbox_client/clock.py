"""Time, as an argument."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """`now` in seconds since the epoch; `sleep` takes seconds.

    `elapsed`, in seconds since no matter when, never jumps: rates and patience go by it.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    elapsed: Callable[[], float] = time.monotonic


SYSTEM_CLOCK = Clock()
