"""From an error to its failure record, and to the HTTP status by which Baseten repeats or not."""

import hashlib
import inspect
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from fastapi import HTTPException

from ..contract.errors import (
    AbandonedError,
    CanaryError,
    DocumentUnavailableError,
    InferenceTimeoutError,
    InvalidInputError,
    KeyConflictError,
    ManifestError,
    OutboxError,
    OutputsError,
    StoreError,
)
from ..contract.keys import CANARY_FAILURE
from ..contract.manifest import Failure
from ..stores import ObjectStore
from ..stores.commit import record_failure
from . import metrics
from .results import place_of, short
from .work import Attempt

logger = logging.getLogger(__name__)

INFERENCE_ERROR = "INFERENCE_ERROR"
MODEL_ANSWER = "MODEL_ANSWER"
"""The author's own HTTPException, which is answered as it is."""
_MAX_MESSAGE_CHARACTERS = 10_000
_REPEATED = frozenset({500, 502, 503, 504})  # by Baseten


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureRecorder:
    """Writes failure records, counts them, and says with which HTTP status to answer."""

    store: ObjectStore

    @contextmanager
    def answering(self, attempt: Attempt) -> Iterator[None]:
        """Whatever is raised within goes on record, and comes out as what to answer."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes on record
            raise self.answer(error, attempt) from None

    def answer(
        self, error: Exception, attempt: Attempt, *, of: Callable[..., Any] | None = None
    ) -> HTTPException:
        """Record the error; returns what to raise. Baseten repeats 500, 503 and 504, not 4xx.

        `of` is the author's function that raised it. Raise the answer `from None`: the error's own
        text may quote the input; it is for the model's log alone.
        """
        failure = Failure(
            key=attempt.key,
            request_id=attempt.request_id,
            attempt=CANARY_FAILURE if isinstance(error, CanaryError) else attempt.name,
            code=_code(error),
            message=_message(error),
            retryable=_is_retryable(error),
            model=attempt.model,
            created_at=datetime.now(UTC),
            timings_ms=attempt.timings,
            # Of these the message says it all; they were raised on purpose.
            traceback_digest=(
                None if isinstance(error, OutboxError | HTTPException) else _digest(error)
            ),
        )
        metrics.FAILURES.labels(failure.code).inc()
        self._log(failure, error, of)
        self._record(failure)
        if isinstance(error, HTTPException):
            return error
        return HTTPException(_status(error), f"{failure.code}: {failure.message}")

    def _record(self, failure: Failure) -> None:
        # The caller is answered all the same; what failed first counts.
        try:
            record_failure(self.store, failure)
        except StoreError as error:
            logger.warning("the failure could not be recorded", extra={"code": error.code})

    def _log(self, failure: Failure, error: Exception, of: Callable[..., Any] | None) -> None:
        extra: dict[str, object] = {
            "code": failure.code,
            "key": failure.key,
            "failed_request_id": failure.request_id,
        }
        if failure.traceback_digest is None:
            logger.warning("the request failed: %s", failure.message, extra=extra)
            return
        extra |= {"traceback_digest": failure.traceback_digest, "frames": _frames(error)}
        if of is None:
            # Not of the author's code: what a bucket answered may quote what it was sent.
            logger.error("the request failed: %s", type(error).__name__, extra=extra)
            return
        trace = _own_traceback(error, of)
        place = f"{_place(trace, of)}; traceback_digest {failure.traceback_digest}"
        logger.error(
            "%s: %s (%s)",
            *(type(error).__name__, error, place),
            exc_info=(type(error), error, trace),
            extra=extra,
        )


def http_error(error: OutboxError) -> HTTPException:
    """The answer to a request that is not stored, and has no failure record."""
    return HTTPException(_status(error), f"{error.code}: {_message(error)}")


def _status(error: Exception) -> int:
    match error:
        # Neither the same input nor the same outputs can succeed the next time: a 4xx.
        case InvalidInputError() | OutputsError():
            return 422
        case KeyConflictError() | ManifestError():
            return 409
        case StoreError() | DocumentUnavailableError():
            return 503
        case InferenceTimeoutError():
            return 504
        case AbandonedError():
            return 499  # as Truss says where a caller has gone
        case _:
            return 500


def _code(error: Exception) -> str:
    if isinstance(error, OutboxError):
        return error.code
    return MODEL_ANSWER if isinstance(error, HTTPException) else INFERENCE_ERROR


def _is_retryable(error: Exception) -> bool:
    if isinstance(error, HTTPException):
        return error.status_code in _REPEATED
    return error.retryable if isinstance(error, OutboxError) else True


def _message(error: Exception) -> str:
    if isinstance(error, OutboxError):
        # An inference words its own InvalidInputError; a record must stay within a reader's bound.
        return str(error)[:_MAX_MESSAGE_CHARACTERS]
    if isinstance(error, HTTPException):
        return f"the model answered with the HTTP status {error.status_code}"
    return f"the inference raised {type(error).__name__}; the model's log says where"


def _own_traceback(error: Exception, of: Callable[..., Any]) -> TracebackType | None:
    """The traceback from the author's code on: what called it is ours and Truss's."""
    code = getattr(inspect.unwrap(getattr(of, "__func__", of)), "__code__", None)
    trace = error.__traceback__
    while trace is not None and code is not None:
        if trace.tb_frame.f_code.co_filename == code.co_filename:
            return trace
        trace = trace.tb_next
    return error.__traceback__


def _place(trace: TracebackType | None, of: Callable[..., Any]) -> str:
    """The innermost line in the author's own files: what these called is another's."""
    frames = traceback.extract_tb(trace)
    if not frames:
        return place_of(of)
    own = Path(frames[0].filename).parent
    frame = [one for one in frames if Path(one.filename).is_relative_to(own)][-1]
    return f"{frame.name} in {short(frame.filename)}, line {frame.lineno}"


def _frames(error: Exception) -> list[str]:
    return [
        f"{short(frame.filename)}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]


def _digest(error: Exception) -> str:
    # Without the message, which may quote the input and differs where the place is the same.
    place = "\n".join([type(error).__name__, *_frames(error)])
    return hashlib.sha256(place.encode()).hexdigest()[:16]
