"""Requests and deliveries as the database's rows."""

import sqlite3
from typing import Any

from .request import (
    AsyncRequest,
    RequestError,
    RetryPolicy,
    Status,
    WebhookDelivery,
    WebhookStatus,
)

_REQUEST = (
    *("request_id", "deployment_id", "model_input", "priority", "created_at", "expires_at"),
    *("webhook_endpoint", "name", "status_at", "started_at", "attempts", "claims", "result_key"),
)
_RETRY = ("max_attempts", "initial_delay_ms", "max_delay_ms")
_DELIVERY = ("request_id", "deployment_id", "endpoint", "data", "ended_at", "attempts")


def values_of(request: AsyncRequest) -> dict[str, Any]:
    """Of a new request; the statement takes those it names, the other columns have defaults."""
    values = {name: getattr(request, name) for name in (*_REQUEST, "is_chain")}
    return values | {name: getattr(request.retry, name) for name in _RETRY}


def request_of(row: sqlite3.Row) -> AsyncRequest:
    values = dict(zip(row.keys(), row, strict=True))  # a Row looks for each name from its first on
    return AsyncRequest(
        **{name: values[name] for name in _REQUEST},
        retry=RetryPolicy(**{name: values[name] for name in _RETRY}),
        status=Status(values["status"]),
        error=_error(values),
        webhook_status=WebhookStatus(values["webhook_status"]),
        is_chain=bool(values["is_chain"]),
    )


def delivery_of(row: sqlite3.Row) -> WebhookDelivery:
    return WebhookDelivery(**{name: row[name] for name in _DELIVERY}, error=_error(row))


def _error(row: sqlite3.Row | dict[str, Any]) -> RequestError | None:
    code = row["error_code"]
    return None if code is None else RequestError(code=code, message=row["error_message"])
