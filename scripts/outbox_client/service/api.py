"""What the companion needs of Baseten's async API, and of a model that is deployed behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..bucket.bucket import Bucket
from ..bucket.naming import Naming

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Addressee:
    """Which deployment of a model or Chain is called: the one that serves the environment, or the
    one with that id. A regional environment has a host of its own."""

    environment: str = "production"
    deployment: str | None = None
    is_regional: bool = False


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


class ModelApi(AsyncApi, Protocol):
    """A model's async API, its synchronous endpoint, and waking it."""

    def predict(self, model_input: Mapping[str, Any]) -> Mapping[str, Any]:
        """The model's answer, a JSON object. Asks once; raises what `submit` raises."""

    def wake(self) -> None:
        """Ask the deployment to start, where it has scaled to zero; returns before it has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """Where requests go, where their results appear, and under which keys.

    `model_version` is the setting `version` of the deployed model, where it is known.
    """

    api: AsyncApi
    bucket: Bucket
    naming: Naming
    model_version: str | None = None


def bare_id(request_id: str) -> str:
    """As the service knows it: some routes append `:…`."""
    return request_id.split(":", maxsplit=1)[0]
