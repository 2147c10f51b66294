"""How the stand-in runs requests: what a deployment's settings are on Baseten, and its limits."""

from dataclasses import dataclass
from typing import TypedDict

from scripts.local_baseten.request_queue import KNOWN_SECONDS
from scripts.local_baseten.webhook_attempt import DELAYS_SECONDS

RUN_SECONDS = 3_600.0
"""How long the model may take for one request."""

FINISH_SECONDS = 10.0
"""How long what runs may take to finish when the stand-in is asked to end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceSettings:
    """`concurrency_target` requests at once on each of `replicas` servers.

    `scale_to_zero_seconds` without a request end the servers until the next one; None keeps them.
    `known_seconds` is how long a request is known after its end. A webhook that fails is sent
    again after each of `webhook_delays_seconds`.
    """

    concurrency_target: int = 1
    replicas: int = 1
    scale_to_zero_seconds: float | None = None
    run_seconds: float = RUN_SECONDS
    known_seconds: float = KNOWN_SECONDS
    finish_seconds: float = FINISH_SECONDS
    webhook_delays_seconds: tuple[float, ...] = DELAYS_SECONDS


class ServiceOptions(TypedDict, total=False):
    """The same, to be passed on as keyword arguments."""

    concurrency_target: int
    replicas: int
    scale_to_zero_seconds: float | None
    run_seconds: float
    known_seconds: float
    finish_seconds: float
    webhook_delays_seconds: tuple[float, ...]
