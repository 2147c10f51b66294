"""What a webhook says. Pure."""

import json
from datetime import UTC, datetime
from typing import Any, Never

from ..request_queue.job import Delivery


def payload(delivery: Delivery, *, model_id: str, now: float) -> bytes:
    """The body: signed as it is, sent as it is. `time` is the sending's, in UTC."""
    error = delivery.error
    fields = {
        "request_id": delivery.request_id,
        "model_id": model_id,
        "deployment_id": delivery.deployment_id,
        "type": "async_request_completed",
        "time": datetime.fromtimestamp(now, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "data": None if error else _data(delivery.data),
        "errors": [{"code": error.code, "message": error.message}] if error else [],
    }
    return json.dumps(fields).encode()


def _data(output: str | None) -> Any:
    """The model's output; as a string where it is not JSON."""
    if output is None:
        return None
    try:
        return json.loads(output, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return output


def _refuse_constant(_: str) -> Never:
    raise ValueError("JSON has neither NaN nor Infinity")
