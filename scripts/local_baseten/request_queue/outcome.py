"""What the model's answer means for a request. Pure."""

import json
from dataclasses import dataclass

from .request import RequestError

# Baseten repeats these; a model that answers anything else means it.
_RETRYABLE = frozenset({500, 502, 503, 504})
_CODES = {
    400: "MODEL_INVALID_INPUT",
    422: "MODEL_INVALID_INPUT",
    502: "MODEL_UNAVAILABLE",
    503: "MODEL_UNAVAILABLE",
    504: "MODEL_PREDICT_TIMEOUT",
}
_MESSAGE_CHARACTERS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How one attempt ended: without an error, or with one that may pass at the next attempt.

    `data` is what the model answered, where it succeeded.
    """

    error: RequestError | None = None
    may_be_retried: bool = False
    data: str | None = None


LOST = "The connection to the model was lost before it answered."
TOO_LONG = "The model did not answer in time."

# As the service in front of a server that crashed would answer: 503.
CONNECTION_LOST = Outcome(
    error=RequestError(code="MODEL_UNAVAILABLE", message=LOST), may_be_retried=True
)

STREAMED = Outcome(
    error=RequestError(
        code="ASYNC_REQUEST_NOT_SUPPORTED",
        message="The model streams its answer: call it synchronously, or have it return a value.",
    )
)

TIMED_OUT = Outcome(error=RequestError(code="MODEL_PREDICT_TIMEOUT", message=TOO_LONG))


def outcome_of(status: int, body: bytes, *, is_stream: bool = False) -> Outcome:
    """The outcome of an answer of the model's server, in Baseten's codes."""
    if status < 400 and is_stream:
        return STREAMED
    if status < 400:
        return Outcome(data=body.decode(errors="replace"))
    code = _CODES.get(status, "MODEL_PREDICT_ERROR")
    error = RequestError(code=code, message=f"The model answered {status}: {_message(body)}")
    return Outcome(error=error, may_be_retried=status in _RETRYABLE)


def _message(body: bytes) -> str:
    """Truss answers errors with `{"error": text or JSON}`."""
    try:
        error = json.loads(body)["error"]
    except (ValueError, TypeError, KeyError):
        return "no details"
    text = error if isinstance(error, str) else json.dumps(error)
    return text[:_MESSAGE_CHARACTERS]
