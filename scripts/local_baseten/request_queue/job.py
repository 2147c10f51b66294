"""One async request, as the queue knows it."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """A request's `inference_retry_config`; the defaults are Baseten's."""

    max_attempts: int = 3
    initial_delay_ms: int = 1_000
    max_delay_ms: int = 5_000

    def delay_seconds(self, failed_attempts: int) -> float | None:
        """The wait before the next attempt: doubling, capped. None where no attempt is left."""
        if failed_attempts >= self.max_attempts:
            return None
        doubled = self.initial_delay_ms << (failed_attempts - 1)
        return min(doubled, self.max_delay_ms) / 1_000


class Status(StrEnum):
    """Baseten's names for where a request stands."""

    QUEUED = "QUEUED"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"
    WEBHOOK_FAILED = "WEBHOOK_FAILED"


class WebhookStatus(StrEnum):
    """Baseten's names for where the delivery of a request's result stands."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    NO_WEBHOOK_PROVIDED = "NO_WEBHOOK_PROVIDED"


@dataclass(frozen=True, kw_only=True, slots=True)
class JobError:
    """Why the latest attempt failed, in Baseten's error codes."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Times are seconds since 1970. `attempts` counts those that have ended.

    `model_input` is the JSON text the model is sent; `started_at` is when the model was first
    asked; `claims` counts how often the request was claimed, and so names the claim. `is_chain` is
    how it was submitted. `name` is what the request calls itself, `result_key` where its result is,
    as far as they are known.
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
    started_at: float | None = None
    attempts: int = 0
    claims: int = 0
    error: JobError | None = None
    webhook_endpoint: str | None = None
    webhook_status: WebhookStatus = WebhookStatus.NO_WEBHOOK_PROVIDED
    is_chain: bool = False
    name: str | None = None
    result_key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A finished request's result on its way to the request's webhook.

    `data` is the model's answer as JSON text, None where there is an error. `ended_at` is when the
    request ended, `attempts` counts the deliveries that have failed.
    """

    request_id: str
    deployment_id: str
    endpoint: str
    data: str | None
    error: JobError | None
    ended_at: float
    attempts: int
