"""Which call over the network suffers what: drawn from a seed, the same in every run."""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

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


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Each fault strikes `rate` of the calls."""

    seed: int
    rate: float = 0.05

    def fault(self, method: str, path: str, number: int) -> Fault | None:
        """What happens to the `number`th such call. `path` without what differs between runs."""
        for earlier in range(max(0, number - BURST + 1), number + 1):
            if self._draw("burst", method, path, earlier) < self.rate / BURST:
                return Fault.SLOW_DOWN
        kinds = [fault for fault in Fault if fault is not Fault.SLOW_DOWN]
        place = int(self._draw("fault", method, path, number) / self.rate)
        return kinds[place] if place < len(kinds) else None

    def _draw(self, *what: object) -> float:
        digest = hashlib.sha256(repr((self.seed, *what)).encode()).digest()
        return int.from_bytes(digest[:7]) / (1 << 56)


def without_attempt(path: str) -> str:
    return _ATTEMPT.sub("/*", path)
