"""Baseten's async API over HTTP, as far as it concerns one model or chain."""

import logging
import secrets
import time
import uuid
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..answers import ApiError, BrokenAnswer
from ..faults.faults import Fault, Faults
from ..request_queue.group_commit import GroupCommit
from ..request_queue.job import Job, Status
from ..request_queue.requests import RequestQueue
from ..settings import Limits, RateLimit
from .request_status import SERVED_ID, describe
from .submission import parse_submission, read_body

logger = logging.getLogger(__name__)

DEFAULT_LIMITS = Limits()
NO_FAULTS = Faults({})


class AsyncApi:
    """The endpoints. Whatever deployment a path names, the one model serves it."""

    def __init__(
        self,
        queue: RequestQueue,
        commits: GroupCommit,
        *,
        on_submit: Callable[[], None],
        on_wake: Callable[[], None],
        clock: Callable[[], float] = time.time,
        limits: Limits = DEFAULT_LIMITS,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._queue = queue
        self._commits = commits
        self._on_submit = on_submit
        self._on_wake = on_wake
        self._clock = clock
        self._limits = limits
        self._faults = faults
        self._submits = RateLimit(limits.submits_per_second, clock=clock)
        self._statuses = RateLimit(limits.status_per_second, clock=clock)
        self._cancels = RateLimit(limits.status_per_second, clock=clock)

    async def submit(self, request: Request) -> Response:
        """`async_predict`."""
        return await self._submit(request, request_id=uuid.uuid4().hex, is_chain=False)

    async def submit_to_chain(self, request: Request) -> Response:
        """`async_run_remote`: its ids are longer, and something is appended to them."""
        return await self._submit(
            request, request_id=secrets.token_hex(19)[:37], suffix=":0", is_chain=True
        )

    async def status(self, request: Request) -> Response:
        _keep(self._statuses)
        return JSONResponse(describe(await self._find(request)))

    async def cancel(self, request: Request) -> Response:
        _keep(self._cancels)
        job = await self._find(request)
        canceled = await self._commits(self._queue.cancel, job.request_id)
        if canceled:
            logger.info("canceled", extra={"request_id": job.request_id, "status": "CANCELED"})
        message = "Canceled." if canceled else f"Only queued requests can be canceled: {job.status}"
        return JSONResponse(
            {"request_id": job.request_id, "canceled": canceled, "message": message}
        )

    async def queue_status(self, request: Request) -> Response:
        counts = await self._commits(self._queue.counts)
        return JSONResponse(
            {
                "model_id": SERVED_ID,
                "deployment_id": _deployment(request),
                "num_queued_requests": counts[Status.QUEUED],
                "num_in_progress_requests": counts[Status.IN_PROGRESS],
            }
        )

    async def wake(self, _: Request) -> Response:
        self._on_wake()
        return Response(status_code=202)

    async def _submit(
        self, request: Request, *, request_id: str, suffix: str = "", is_chain: bool
    ) -> Response:
        _keep(self._submits)
        body = await read_body(request, max_bytes=self._limits.max_body_bytes)
        submission = parse_submission(body, is_chain=is_chain)
        if self._faults.happens(Fault.UNAVAILABLE):
            raise ApiError(503, "model_unavailable", "A fault that was asked for.")
        job = submission.job(
            request_id, deployment_id=_deployment(request), is_chain=is_chain, now=self._clock()
        )
        await self._commits(self._add, job)
        self._on_submit()
        logger.info("accepted", extra={"request_id": request_id, "status": job.status})
        answered = request_id + suffix
        headers = {"X-Baseten-Request-Id": answered}
        answer = JSONResponse({"request_id": answered}, status_code=201, headers=headers)
        is_lost = self._faults.happens(Fault.LOST_ANSWER, request_id=request_id)
        return BrokenAnswer(answer) if is_lost else answer

    def _add(self, job: Job) -> None:
        counts = self._queue.counts()
        waiting = counts[Status.QUEUED] + counts[Status.IN_PROGRESS]
        if waiting >= self._limits.max_waiting:
            raise ApiError(429, "rate_limited", f"{waiting} requests are queued or running already")
        self._queue.add(job)

    async def _find(self, request: Request) -> Job:
        request_id, _, _ = str(request.path_params["request_id"]).partition(":")
        job = await self._commits(self._queue.find, request_id)
        if job is None:
            message = "No such request; one is known for an hour after its end."
            raise ApiError(404, "client_error", message)
        return job


def _keep(limit: RateLimit) -> None:
    if not limit.take():
        raise ApiError(429, "rate_limited", f"more than {limit.per_second:g} calls a second")


def _deployment(request: Request) -> str:
    """The name in the path: the deployment's, the environment's, production or development."""
    name = request.path_params.get("name")
    first, _, rest = request.url.path[1:].partition("/")
    return str(name) if name else first if rest else "production"
