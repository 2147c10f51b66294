"""Passes each measurement on to the metrics, and to the history that the page draws."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ..endpoints.answers import ApiError
from ..request_queue.group_commit import GroupCommit
from ..request_queue.request import AsyncRequest, Status
from ..request_queue.requests import RequestQueue
from ..trusses.client import Answer, ModelCall, ModelCaller, ModelLostError
from .history import CallKind, History
from .metrics import Metrics

_SAMPLE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Observer:
    """`clock` is the queue's."""

    metrics: Metrics
    history: History
    clock: Callable[[], float]

    def claimed(self, request: AsyncRequest) -> None:
        """Counts a request's first claim only: at a later one it has left the queue already."""
        if request.claims == 1:
            seconds = max(0.0, self.clock() - request.created_at)
            self.metrics.left_queue(seconds)
            self.history.add(CallKind.TIME_IN_QUEUE, seconds)

    def answered(self, seconds: float, *, status: int, is_async: bool) -> None:
        self.metrics.answered(seconds, status=status, is_async=is_async)
        self.history.add(CallKind.ASYNC if is_async else CallKind.SYNC, seconds)

    async def count(self, queue: RequestQueue, commits: GroupCommit) -> dict[Status, int]:
        """How many requests there are by status, now."""
        counts = await commits.lightly(queue.counts)
        queued, running = counts[Status.QUEUED], counts[Status.IN_PROGRESS]
        self.metrics.queued(queued)
        self.history.counted(queued=queued, running=running)
        return counts

    async def keep_counting(self, queue: RequestQueue, commits: GroupCommit) -> None:
        """Until cancelled: the page shows the last hour also where it was not open then.

        What has come due is applied meanwhile, and the file gives back what is free.
        """
        while True:
            await self.count(queue, commits)
            await commits(queue.tidy)
            await asyncio.sleep(_SAMPLE_SECONDS)


@dataclass(frozen=True, slots=True)
class ObservedModel:
    """A ModelCaller in front of another, for async requests."""

    model: ModelCaller
    observer: Observer

    async def predict(self, call: ModelCall) -> Answer:
        """Not counted: what could not be sent. Counted as 503 or 504: what was lost or given up."""
        begun = time.monotonic()
        status = None
        try:
            answer = await self.model.predict(call)
            status = answer.status
        except ModelLostError:
            status = 503
            raise
        except asyncio.CancelledError:
            status = 504
            raise
        finally:
            if status is not None:
                self.observer.answered(time.monotonic() - begun, status=status, is_async=True)
        return answer


def observed(
    endpoint: Callable[[Request], Awaitable[Response]], observer: Observer
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for synchronous requests."""

    async def answer(request: Request) -> Response:
        begun = time.monotonic()
        status = 500
        try:
            response = await endpoint(request)
            status = response.status_code
        except ApiError as error:
            status = error.status
            raise
        except ClientDisconnect:
            status = 499
            raise
        finally:
            observer.answered(time.monotonic() - begun, status=status, is_async=False)
        return response

    return answer
