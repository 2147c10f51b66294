"""Baseten's async API over HTTP, as far as it concerns one model or chain."""

import logging
import secrets
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..faults.faults import Fault, Faults
from ..request_queue.group_commit import GroupCommit
from ..request_queue.request import AsyncRequest, Status, timestamp
from ..request_queue.requests import RequestQueue
from ..settings import SERVED_ID, ServiceSettings
from .addresses import deployment_of, path_parameter
from .answers import ApiError, BrokenAnswer
from .submit_body import parse_submit_body, read_body

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class AsyncEndpoints:
    """Whatever deployment a path names, the one model serves it."""

    queue: RequestQueue
    commits: GroupCommit
    on_submit: Callable[[], None]
    on_wake: Callable[[], None]
    settings: ServiceSettings
    faults: Faults

    def __post_init__(self) -> None:
        self._room = 0
        self._submits = _RateLimit(self.settings.submits_per_second, self.queue.clock)
        self._statuses = _RateLimit(self.settings.status_per_second, self.queue.clock)
        self._cancels = _RateLimit(self.settings.status_per_second, self.queue.clock)
        self._queue_statuses = _RateLimit(self.settings.status_per_second, self.queue.clock)

    async def submit(self, call: Request) -> Response:
        """`async_predict`."""
        return await self._submit(call, request_id=uuid.uuid4().hex, is_chain=False)

    async def submit_to_chain(self, call: Request) -> Response:
        """`async_run_remote`: its ids are longer, and something is appended to them."""
        return await self._submit(
            call, request_id=secrets.token_hex(19)[:37], suffix=":0", is_chain=True
        )

    async def status(self, call: Request) -> Response:
        self._statuses.take()
        return JSONResponse(_describe(await self._find(call)))

    async def cancel(self, call: Request) -> Response:
        self._cancels.take()
        request = await self._find(call)
        request_id, status = request.request_id, request.status
        canceled = await self.commits(self.queue.cancel, request_id)
        if canceled:
            logger.info("canceled", extra={"request_id": request_id, "status": "CANCELED"})
        message = "Canceled." if canceled else f"Only queued requests can be canceled: {status}"
        return JSONResponse({"request_id": request_id, "canceled": canceled, "message": message})

    async def queue_status(self, call: Request) -> Response:
        self._queue_statuses.take()
        counts = await self.commits.lightly(self.queue.counts)
        return JSONResponse(
            {
                "model_id": SERVED_ID,
                "deployment_id": deployment_of(call),
                "num_queued_requests": counts[Status.QUEUED],
                "num_in_progress_requests": counts[Status.IN_PROGRESS],
            }
        )

    async def wake(self, _: Request) -> Response:
        self.on_wake()
        return Response(status_code=202)

    async def _submit(
        self, call: Request, *, request_id: str, suffix: str = "", is_chain: bool
    ) -> Response:
        self._submits.take()
        body = await read_body(call, max_bytes=self.settings.max_body_bytes)
        submitted = parse_submit_body(body, is_chain=is_chain)
        if self.faults.happens(Fault.UNAVAILABLE):
            raise ApiError(503, "model_unavailable", "A fault that was asked for.")
        request = submitted.request(
            request_id,
            deployment_id=deployment_of(call),
            is_chain=is_chain,
            now=self.queue.clock(),
        )
        await self.commits(self._add, request)
        self.on_submit()
        logger.info("accepted", extra={"request_id": request_id, "status": request.status})
        answered = request_id + suffix
        headers = {"X-Baseten-Request-Id": answered}
        is_lost = self.faults.happens(Fault.LOST_ANSWER, request_id=request_id)
        answer = BrokenAnswer if is_lost else JSONResponse
        return answer({"request_id": answered}, status_code=201, headers=headers)

    def _add(self, request: AsyncRequest) -> None:
        if self._room <= 0:  # counted anew only then: what ends makes more of it, and nothing less
            count = self.queue.count_unfinished()
            self._room = self.settings.max_waiting - count
            if self._room <= 0:
                message = f"{count} requests are queued or running already"
                raise ApiError(429, "rate_limited", message)
        self._room -= 1
        self.queue.add(request)

    async def _find(self, call: Request) -> AsyncRequest:
        # A Chain's id may come with what its submit answer appended, or without.
        request_id, _, _ = path_parameter(call, "request_id").partition(":")
        request = await self.commits.lightly(self.queue.find, request_id)
        if request is None:
            message = "No such request; one is known for an hour after its end."
            raise ApiError(404, "client_error", message)
        return request


@dataclass
class _RateLimit:
    """At most `per_second` calls within any one second."""

    per_second: float
    clock: Callable[[], float]

    def __post_init__(self) -> None:
        self._taken: deque[float] = deque()

    def take(self) -> None:
        """Raises ApiError 429 for a call too many, which does not count."""
        now = self.clock()
        # The clock may also have been set back.
        while self._taken and not 0 <= now - self._taken[0] < 1:
            self._taken.popleft()
        if len(self._taken) + 1 > max(1.0, self.per_second):
            raise ApiError(429, "rate_limited", f"more than {self.per_second:g} calls a second")
        self._taken.append(now)


def _describe(request: AsyncRequest) -> dict[str, Any]:
    """The answer of `GET /async_request/{id}`."""
    errors = [] if request.error is None else [request.error]
    return {
        "request_id": request.request_id,
        "chain_id" if request.is_chain else "model_id": SERVED_ID,
        "deployment_id": request.deployment_id,
        "status": request.status,
        "webhook_status": request.webhook_status,
        "created_at": timestamp(request.created_at),
        "status_at": timestamp(request.status_at),
        "errors": [{"code": error.code, "message": error.message} for error in errors],
    }
