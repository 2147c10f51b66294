"""The content of a webhook that was verified."""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from .errors import MalformedPayloadError

# It becomes a file's name, or a row's key. The service's have 32 or 37 letters and digits.
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._:-]{0,127}")


@dataclass(frozen=True, kw_only=True, slots=True)
class EventError:
    """Why a request failed, in Baseten's error codes."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """The end of one async request. `data` is the model's output, None where it failed.

    `type` is "async_request_completed" for failures too; `time` is when this was sent.
    """

    request_id: str
    model_id: str
    deployment_id: str
    type: str
    time: datetime
    data: Any = field(repr=False)
    errors: tuple[EventError, ...]

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Raises MalformedPayloadError, which names the field. Unknown fields are ignored."""
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            raise MalformedPayloadError("not JSON") from None
        if not isinstance(fields, dict):
            raise MalformedPayloadError("not a JSON object")
        if not (request_id := _text(fields, "request_id")):
            raise MalformedPayloadError("request_id is missing")
        if not _REQUEST_ID.fullmatch(request_id):
            raise MalformedPayloadError("request_id is none of the service's")
        return cls(
            request_id=request_id,
            model_id=_text(fields, "model_id"),
            deployment_id=_text(fields, "deployment_id"),
            type=_text(fields, "type"),
            time=_time(_text(fields, "time")),
            data=fields.get("data"),
            errors=_errors(fields.get("errors")),
        )


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str | None):
        raise MalformedPayloadError(f"{name} is not a string")
    return value or ""


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise MalformedPayloadError("time is not an ISO 8601 time") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _errors(errors: Any) -> tuple[EventError, ...]:
    if not isinstance(errors, list | None):
        raise MalformedPayloadError("errors is not a list")
    return tuple(
        EventError(code=str(error.get("code")), message=str(error.get("message")))
        for error in errors or ()
        if isinstance(error, dict)
    )
