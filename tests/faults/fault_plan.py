"""Which call over the network suffers what: drawn from a seed, the same in every run."""

import hashlib
import math
import random
import re
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

BURST = 4
"""How many calls in a row are told to slow down."""

_ATTEMPT = re.compile(r"/[0-9a-f]{8}(?=/|\.json\Z)")


class Fault(StrEnum):
    SLOW_DOWN = "slow-down"
    INTERNAL_ERROR = "internal-error"
    RESET_BEFORE = "reset-before"
    RESET_DURING = "reset-during"
    """Half of the request's body goes on, or half of the answer comes back."""
    LATE = "late"
    """Carried out when the caller has long given up."""
    STALLED = "stalled"
    """Carried out, and answered when the caller has long given up."""
    TRUNCATED = "truncated"
    """Half of the answer, and an orderly end."""
    DUPLICATED = "duplicated"
    """Carried out twice; the second answer counts."""
    LOST_REPLY = "lost-reply"
    CONFLICT = "conflict"
    """Carried out, and answered 409 as S3 does beside another conditional write."""


class Plan(Protocol):
    def fault(self, method: str, path: str, number: int) -> Fault | None:
        """What happens to the `number`th such call. `path` without what differs between runs."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Each fault strikes `rate` of the calls."""

    seed: int
    rate: float = 0.05

    def fault(self, method: str, path: str, number: int) -> Fault | None:
        for earlier in range(max(0, number - BURST + 1), number + 1):
            if self._draw("burst", method, path, earlier) < self.rate / BURST:
                return Fault.SLOW_DOWN
        kinds = [fault for fault in Fault if fault is not Fault.SLOW_DOWN]
        place = int(self._draw("fault", method, path, number) / self.rate)
        return kinds[place] if place < len(kinds) else None

    def _draw(self, *what: object) -> float:
        digest = hashlib.sha256(repr((self.seed, *what)).encode()).digest()
        return int.from_bytes(digest[:7]) / (1 << 56)


class Storm:
    """From the `after`th call on, every call is told to slow down, for `seconds`."""

    def __init__(self, *, after: int, seconds: float) -> None:
        self.began = threading.Event()
        self.refused = 0
        self._left = after
        self._seconds = seconds
        self._until = math.inf

    def fault(self, method: str, path: str, number: int) -> Fault | None:
        self._left -= 1
        if self._left > 0:
            return None
        if not self.began.is_set():
            self._until = time.monotonic() + self._seconds
            self.began.set()
        if time.monotonic() > self._until:
            return None
        self.refused += 1
        return Fault.SLOW_DOWN


class Resets:
    """A connection in so many is lost, before the call or in the middle of the answer."""

    def __init__(self, *, rate: float, seed: int) -> None:
        self.count = 0
        self._rate = rate
        self._random = random.Random(seed)

    def fault(self, method: str, path: str, number: int) -> Fault | None:
        if self._random.random() >= self._rate:
            return None
        self.count += 1
        return self._random.choice([Fault.RESET_BEFORE, Fault.RESET_DURING])


def without_attempt(path: str) -> str:
    return _ATTEMPT.sub("/*", path)
