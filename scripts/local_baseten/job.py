"""One async request, as the queue knows it."""

from dataclasses import dataclass
from enum import StrEnum

from scripts.local_baseten.retry import RetryPolicy


class Status(StrEnum):
    """Baseten's names for where a request stands."""

    QUEUED = "QUEUED"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"


@dataclass(frozen=True, kw_only=True, slots=True)
class JobError:
    """Why the latest attempt failed, in Baseten's error codes."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Times are seconds since 1970. `attempts` counts those that have ended.

    `model_input` is the JSON text the model is sent.
    """

    request_id: str
    deployment_id: str
    model_input: str
    priority: int
    created_at: float
    expires_at: float
    retry: RetryPolicy
    status: Status = Status.QUEUED
    status_at: float
    attempts: int = 0
    error: JobError | None = None
