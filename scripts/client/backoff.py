"""How long to wait before trying again: full jitter, bounded."""

import random
from collections.abc import Callable

_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 10.0
_MOST_DOUBLINGS = 10


def pause_seconds(failures: int, *, chance: Callable[[], float] = random.random) -> float:
    """After so many failures in a row (1 or more), anything from nothing to twice as much as
    before, so that those who failed together do not come back together."""
    doublings = min(failures - 1, _MOST_DOUBLINGS)
    return chance() * min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0**doublings)
