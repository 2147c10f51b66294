"""What can go wrong with the service, made to happen as often as asked."""

import logging
import random
import secrets
from collections.abc import Mapping
from enum import StrEnum

from ..errors import FaultError

logger = logging.getLogger(__name__)


class Fault(StrEnum):
    """Each happens by its own probability: per call, per attempt, per webhook's attempt."""

    LOST_ANSWER = "lost_answer"
    """async_predict takes the request, and its 201 breaks off."""
    UNAVAILABLE = "unavailable"
    """async_predict answers 503, and takes nothing."""
    MODEL_ERROR = "model_error"
    """The model's server answers 500, 502, 503 or 504; the model is not asked."""
    MODEL_SLOW = "model_slow"
    """The model is asked some seconds later."""
    MODEL_DISCONNECT = "model_disconnect"
    """The service hangs up on the model while it predicts, and tries again."""
    DUPLICATE_DELIVERY = "duplicate_delivery"
    """The model is given the request twice at once, under one id."""
    NEW_ID_ON_RETRY = "new_id_on_retry"
    """The model is given a second or later attempt under an id that nobody was told."""
    WEBHOOK_ERROR = "webhook_error"
    """A webhook does not arrive."""
    WEBHOOK_LOST_ANSWER = "webhook_lost_answer"
    """A webhook arrives, and its receiver's answer does not: it is sent again."""


class Faults:
    """A seed repeats the faults: the n-th decision about each fault is always the same.

    Each fault has a random source of its own, so that one more fault does not change the others.
    """

    def __init__(self, probabilities: Mapping[str, float], *, seed: int | None = None) -> None:
        """`seed` None draws one. Raises FaultError."""
        self.seed = secrets.randbelow(1_000_000) if seed is None else seed
        for name, chance in probabilities.items():
            if name not in list(Fault):
                raise FaultError(f"no fault is called {name!r}; there are {', '.join(Fault)}")
            if not 0 <= chance <= 1:
                raise FaultError(f"{name} must happen with a probability from 0 to 1, not {chance}")
        self._probabilities = {Fault(name): probabilities[name] for name in probabilities}
        self._random = {fault: random.Random(f"{self.seed} {fault}") for fault in Fault}  # noqa: S311

    def __str__(self) -> str:
        named = (f"{fault} {chance:.0%}" for fault, chance in self._probabilities.items())
        return f"{', '.join(named)}; seed {self.seed}"

    def __bool__(self) -> bool:
        return any(self._probabilities.values())

    def happens(self, fault: Fault, *, request_id: str | None = None) -> bool:
        """Decide, and say so in the log."""
        chance = self._probabilities.get(fault, 0.0)
        if not chance or self._random[fault].random() >= chance:
            return False
        extra = {} if request_id is None else {"request_id": request_id}
        logger.warning("fault, as asked for: %s", fault, extra=extra)
        return True

    def choose(self, fault: Fault, below: float) -> float:
        """A number from 0, for how the fault happens."""
        return self._random[fault].random() * below
