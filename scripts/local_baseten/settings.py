"""How the stand-in runs requests: what a deployment's settings are on Baseten, and its limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from .request_queue.requests import KNOWN_SECONDS
from .webhooks.attempt import DELAYS_SECONDS


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Baseten's by default. `status_per_second` holds for status and for cancel, each by itself.

    `max_waiting` requests are queued and running at once. Other descriptions of the service say
    100 statuses a second, and 50,000 waiting.
    """

    submits_per_second: float = 200.0
    status_per_second: float = 20.0
    max_waiting: int = 5_000
    max_body_bytes: int = 262_144


class RateLimit:
    """So many calls a second, and as many at once after a second without any."""

    def __init__(self, per_second: float, *, clock: Callable[[], float]) -> None:
        self.per_second = per_second
        self._capacity = max(1.0, per_second)
        self._left = self._capacity
        self._clock = clock
        self._at = clock()

    def take(self) -> bool:
        """Whether one more call keeps the limit; one that does not costs nothing."""
        now = self._clock()
        refilled = self._left + max(0.0, now - self._at) * self.per_second
        self._left = min(self._capacity, refilled)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


RUN_SECONDS = 3_600.0
"""How long the model may take for one request."""

FINISH_SECONDS = 10.0
"""How long what runs may take to finish when the stand-in is asked to end."""

SLOW_SECONDS = 5.0
"""How much longer a slow model takes, where one is asked for."""

_LIMITS = Limits()


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceSettings:
    """`concurrency_target` requests at once on each of `replicas` servers.

    `scale_to_zero_seconds` without a request end the servers until the next one; None keeps them.
    `known_seconds` is how long a request is known after its end. A webhook that fails is sent
    again after each of `webhook_delays_seconds`. For the limits see Limits. `faults` are names of
    Fault and how probable each is; `fault_seed` None draws one.
    """

    concurrency_target: int = 1
    replicas: int = 1
    scale_to_zero_seconds: float | None = None
    run_seconds: float = RUN_SECONDS
    known_seconds: float = KNOWN_SECONDS
    finish_seconds: float = FINISH_SECONDS
    webhook_delays_seconds: tuple[float, ...] = DELAYS_SECONDS
    submits_per_second: float = _LIMITS.submits_per_second
    status_per_second: float = _LIMITS.status_per_second
    max_waiting: int = _LIMITS.max_waiting
    max_body_bytes: int = _LIMITS.max_body_bytes
    faults: Mapping[str, float] = field(default_factory=dict)
    fault_seed: int | None = None
    slow_seconds: float = SLOW_SECONDS

    @property
    def limits(self) -> Limits:
        return Limits(
            submits_per_second=self.submits_per_second,
            status_per_second=self.status_per_second,
            max_waiting=self.max_waiting,
            max_body_bytes=self.max_body_bytes,
        )


class ServiceOptions(TypedDict, total=False):
    """The same, to be passed on as keyword arguments."""

    concurrency_target: int
    replicas: int
    scale_to_zero_seconds: float | None
    run_seconds: float
    known_seconds: float
    finish_seconds: float
    webhook_delays_seconds: tuple[float, ...]
    submits_per_second: float
    status_per_second: float
    max_waiting: int
    max_body_bytes: int
    faults: Mapping[str, float]
    fault_seed: int | None
    slow_seconds: float
