"""How the stand-in runs requests: what a deployment's settings are on Baseten, and its limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SERVED_ID = "local"
"""The id of the one model, or chain, that is served."""

RUN_SECONDS = 3_600.0
"""How long the model may take for one request."""

SYNC_SECONDS = 1_200.0
"""How long a synchronous call may take."""

KNOWN_SECONDS = 3_600.0
"""How long a request is known after its end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceSettings:
    """The defaults are Baseten's.

    - `concurrency_target` requests run at once on each of `replicas` servers.
    - After `scale_to_zero_seconds` without a request the servers are ended until the next one;
      None keeps them.
    - `run_seconds` is how long the model may take for one request, `sync_seconds` how long for a
      synchronous call, `known_seconds` how long a request is known after its end, `finish_seconds`
      how long what runs may take to finish when the stand-in is asked to end.
    - A webhook that fails is sent again after each of `webhook_delays_seconds`; older descriptions
      of the service say 1 and 4.
    - `status_per_second` holds for status, for cancel and for the queue's status, each by itself;
      `max_waiting` is how many requests may be queued and running at once. Other descriptions of
      the service say 100 statuses a second, and 50,000 waiting in all of an organization: what
      keeps to the smaller number keeps to both.
    - `faults` are names of Fault and how probable each is; `fault_seed` None draws one;
      `slow_seconds` is what a slow model takes longer.
    """

    concurrency_target: int = 1
    replicas: int = 1
    scale_to_zero_seconds: float | None = None
    run_seconds: float = RUN_SECONDS
    sync_seconds: float = SYNC_SECONDS
    known_seconds: float = KNOWN_SECONDS
    finish_seconds: float = 10.0
    webhook_delays_seconds: tuple[float, ...] = (2.0,)
    submits_per_second: float = 200.0
    status_per_second: float = 20.0
    max_waiting: int = 5_000
    max_body_bytes: int = 262_144
    faults: Mapping[str, float] = field(default_factory=dict)
    fault_seed: int | None = None
    slow_seconds: float = 5.0
