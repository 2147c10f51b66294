"""What the companion needs of Baseten's async API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

MAX_BODY_BYTES = 262_144
"""What the service takes as the body of an async request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestStatus:
    """`errors` are (code, message) pairs."""

    status: str
    errors: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueStatus:
    queued: int
    in_progress: int


class AsyncApi(Protocol):
    """The async API of one model or Chain. Safe in several threads; all raise ServiceError."""

    def submit(self, body: Mapping[str, Any]) -> str:
        """Queue a request (`model_input`, `priority`, …); returns its id.

        Tries once. After ServiceUnavailableError it may be queued all the same: sending it
        again still gets one result. Raises RefusedRequestError where this body is at fault.
        """

    def status(self, request_id: str) -> RequestStatus:
        """Asks once. Raises UnknownRequestError, ServiceUnavailableError."""

    def cancel(self, request_id: str) -> bool:
        """Whether it was still queued and now never runs. Raises UnknownRequestError."""

    def queue_status(self) -> QueueStatus:
        """How many requests wait and run, of everyone who uses the model. Asks once."""


def bare_id(request_id: str) -> str:
    """As the service knows it: some routes append `:…`."""
    return request_id.split(":", maxsplit=1)[0]
