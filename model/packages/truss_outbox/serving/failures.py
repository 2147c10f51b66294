"""From an error to its failure record, and to the HTTP status by which Baseten repeats or not."""

import hashlib
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fastapi import HTTPException

from ..contract import Failure, ModelInfo
from ..contract.errors import (
    DocumentUnavailableError,
    InvalidInputError,
    KeyConflictError,
    ManifestError,
    OutboxError,
    OutputsError,
    StoreError,
)
from ..stores import ObjectStore
from ..stores.commit import record_failure
from . import metrics
from .work import Attempt

logger = logging.getLogger(__name__)

INFERENCE_ERROR = "INFERENCE_ERROR"
_MAX_MESSAGE_CHARACTERS = 10_000


@contextmanager
def without_causes() -> Iterator[None]:
    """For `load`: Truss logs its error with all the causes, and what a bucket answered may quote
    what it was sent. Our own errors say all that is needed."""
    try:
        yield
    except OutboxError as error:
        raise error from None


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureRecorder:
    """Writes failure records, counts them, and says with which HTTP status to answer."""

    store: ObjectStore
    model: ModelInfo

    def answer(self, error: Exception, attempt: Attempt) -> HTTPException:
        """Record the error; returns what to raise. Baseten repeats 500 and 503, not 4xx.

        Raise it `from None`: the error's own text may quote the input and must not be logged.
        """
        failure = Failure(
            key=attempt.key,
            request_id=attempt.request_id,
            attempt=attempt.name,
            code=error.code if isinstance(error, OutboxError) else INFERENCE_ERROR,
            message=_message(error),
            retryable=_is_retryable(error),
            model=self.model,
            created_at=datetime.now(UTC),
            timings_ms=attempt.timings,
            traceback_digest=None if isinstance(error, OutboxError) else _digest(error),
        )
        metrics.FAILURES.labels(failure.code).inc()
        self._log(failure, error)
        self._record(failure)
        return HTTPException(_status(error), f"{failure.code}: {failure.message}")

    def _record(self, failure: Failure) -> None:
        # The caller is answered all the same; what failed first counts.
        try:
            record_failure(self.store, failure)
        except StoreError as error:
            logger.warning("the failure could not be recorded", extra={"code": error.code})

    def _log(self, failure: Failure, error: Exception) -> None:
        extra: dict[str, object] = {
            "code": failure.code,
            "key": failure.key,
            "failed_request_id": failure.request_id,
        }
        if failure.traceback_digest:
            extra |= {"traceback_digest": failure.traceback_digest, "frames": _frames(error)}
        logger.warning("the request failed", extra=extra)


def _status(error: Exception) -> int:
    match error:
        # Neither the same input nor the same outputs can succeed the next time: a 4xx.
        case InvalidInputError() | OutputsError():
            return 422
        case KeyConflictError() | ManifestError():
            return 409
        case StoreError() | DocumentUnavailableError():
            return 503
        case _:
            return 500


def _is_retryable(error: Exception) -> bool:
    return error.retryable if isinstance(error, OutboxError) else True


def _message(error: Exception) -> str:
    if isinstance(error, OutboxError):
        # An inference words its own InvalidInputError; a record must stay within a reader's bound.
        return str(error)[:_MAX_MESSAGE_CHARACTERS]
    return f"the inference raised {type(error).__name__}; the model's log says where"


def _frames(error: Exception) -> list[str]:
    return [
        # The end of the path: the beginning differs from image to image.
        f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]


def _digest(error: Exception) -> str:
    # Without the message, which may quote the input and differs where the place is the same.
    place = "\n".join([type(error).__name__, *_frames(error)])
    return hashlib.sha256(place.encode()).hexdigest()[:16]
