"""One async request, as the queue knows it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Never


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
    """A request's status, by Baseten's names."""

    QUEUED = "QUEUED"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"
    WEBHOOK_FAILED = "WEBHOOK_FAILED"


class WebhookStatus(StrEnum):
    """The status of a result's delivery, by Baseten's names."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    NO_WEBHOOK_PROVIDED = "NO_WEBHOOK_PROVIDED"


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestError:
    """Why the latest attempt failed, in Baseten's error codes."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AsyncRequest:
    """One `async_predict` or `async_run_remote` call that was accepted.

    Times are seconds since 1970. `model_input` is the JSON text the model is sent; `started_at` is
    when the model was first asked; `attempts` counts those that have ended. `claims` counts how
    often the request was claimed, so it tells one claim from another. `name` is its job and item,
    `result_key` where its result is; both only for a model that stores its results with Outbox.
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
    error: RequestError | None = None
    webhook_endpoint: str | None = None
    webhook_status: WebhookStatus = WebhookStatus.NO_WEBHOOK_PROVIDED
    is_chain: bool = False
    name: str | None = None
    result_key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookDelivery:
    """A finished request's result on its way to the request's webhook.

    `data` is the model's answer as JSON text, None where there is an error. `ended_at` is when the
    request ended, `attempts` counts the deliveries that have failed.
    """

    request_id: str
    deployment_id: str
    endpoint: str
    data: str | None
    error: RequestError | None
    ended_at: float
    attempts: int


def timestamp(seconds: float) -> str:
    """A time as the service writes it: in UTC, to the microsecond."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_json(text: str | bytes) -> Any:
    """JSON as the service takes it: neither NaN nor Infinity. Raises ValueError, RecursionError."""
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(_: str) -> Never:
    raise ValueError("JSON has neither NaN nor Infinity")
