"""Time, as an argument."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """`now` in seconds since the epoch; `sleep` takes seconds.

    `elapsed`, in seconds since an arbitrary moment, never jumps: use it for rates and time-outs.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    elapsed: Callable[[], float] = time.monotonic


SYSTEM_CLOCK = Clock()
