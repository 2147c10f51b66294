"""What the service's word on a request means for its item."""

from dataclasses import dataclass
from typing import Self

from ..journal.entries import State
from ..service.api import RequestStatus

FORGOTTEN = "FORGOTTEN"
NOT_SENT = "NOT_SENT"
_SUCCEEDED = {"SUCCEEDED", "WEBHOOK_FAILED"}
_FINAL = {"FAILED": State.FAILED, "EXPIRED": State.EXPIRED, "CANCELED": State.CANCELED}
_UNSEEN_SECONDS = 30.0

_HOPELESS = frozenset(
    {
        "ASYNC_REQUEST_NOT_SUPPORTED",
        "INVALID_INPUT",
        "KEY_CONFLICT",
        "MODEL_DOES_NOT_EXIST",
        "MODEL_INVALID_INPUT",
        "REFUSED",
    }
)
"""Failures that the same request meets every time."""

_MESSAGES = {
    "FAILED": "the model failed, and left no record of why in the bucket",
    "EXPIRED": "it waited too long in the queue; raise --max-time-in-queue and submit it again",
    "CANCELED": "it was canceled before it ran",
    FORGOTTEN: "the service does not know the request any more and the bucket has no result:"
    " submit it again",
}
_NO_RESULT = (
    "the service says it succeeded and the bucket has no result:"
    " check that root and key_template are those of the deployed model"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The service's last word on a request, and when it was given, by `Clock.elapsed`."""

    status: str
    given_at: float
    code: str | None = None
    message: str | None = None

    @classmethod
    def forgotten(cls, *, now: float) -> Self:
        message = _MESSAGES[FORGOTTEN]
        return cls(status=FORGOTTEN, given_at=now, code=FORGOTTEN, message=message)

    @classmethod
    def of(cls, answer: RequestStatus, *, now: float) -> Self | None:
        """None while the request is queued or running."""
        if answer.status not in _SUCCEEDED and answer.status not in _FINAL:
            return None
        message = _MESSAGES.get(answer.status, _NO_RESULT)
        code, said = answer.errors[0] if answer.errors else (answer.status, message)
        return cls(status=answer.status, given_at=now, code=code, message=said)


def final_state(verdict: Verdict, *, now: float) -> State | None:
    """For an item without a manifest; None while one may still become visible."""
    if verdict.status in _SUCCEEDED:
        return State.UNKNOWN if now >= verdict.given_at + _UNSEEN_SECONDS else None
    return _FINAL.get(verdict.status, State.UNKNOWN)


def may_be_retried(state: State, code: str | None) -> bool:
    """Whether sending it again may help, where no failure record says so."""
    match state:
        case State.FAILED:
            return code not in _HOPELESS
        case State.EXPIRED | State.UNKNOWN:
            return True
        case _:
            return False


def same_request(first: str, second: str | None) -> bool:
    """Ids are compared without what some routes append after a colon."""
    return second is not None and _bare(first) == _bare(second)


def _bare(request_id: str) -> str:
    return request_id.split(":", maxsplit=1)[0]
