"""Baseten's async API over HTTP, as far as it concerns one model."""

import logging
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from scripts.local_baseten.answers import ApiError
from scripts.local_baseten.group_commit import GroupCommit
from scripts.local_baseten.job import Job, Status
from scripts.local_baseten.request_body import read_body
from scripts.local_baseten.request_queue import RequestQueue
from scripts.local_baseten.submission import MAX_BODY_BYTES, parse_submission

logger = logging.getLogger(__name__)

MODEL_ID = "local"
MAX_WAITING = 5_000
"""Requests queued and running at once."""


class AsyncApi:
    """The endpoints. Whatever deployment a path names, the one model serves it."""

    def __init__(
        self,
        queue: RequestQueue,
        commits: GroupCommit,
        *,
        on_submit: Callable[[], None],
        clock: Callable[[], float] = time.time,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._queue = queue
        self._commits = commits
        self._on_submit = on_submit
        self._clock = clock
        self._max_waiting = max_waiting

    async def submit(self, request: Request) -> Response:
        submission = parse_submission(await read_body(request, max_bytes=MAX_BODY_BYTES))
        now = self._clock()
        job = Job(
            request_id=uuid.uuid4().hex,
            deployment_id=_deployment(request),
            model_input=submission.model_input_json,
            priority=submission.priority,
            created_at=now,
            status_at=now,
            expires_at=now + submission.max_time_in_queue_seconds,
            retry=submission.retry,
            webhook_endpoint=submission.webhook_endpoint,
        )
        await self._commits(self._add, job)
        self._on_submit()
        logger.info("accepted", extra={"request_id": job.request_id, "status": job.status})
        headers = {"X-Baseten-Request-Id": job.request_id}
        return JSONResponse({"request_id": job.request_id}, status_code=201, headers=headers)

    async def status(self, request: Request) -> Response:
        job = await self._find(request)
        errors = [] if job.error is None else [job.error]
        return JSONResponse(
            {
                "request_id": job.request_id,
                "model_id": MODEL_ID,
                "deployment_id": job.deployment_id,
                "status": job.status,
                "webhook_status": job.webhook_status,
                "created_at": _timestamp(job.created_at),
                "status_at": _timestamp(job.status_at),
                "errors": [{"code": error.code, "message": error.message} for error in errors],
            }
        )

    async def cancel(self, request: Request) -> Response:
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
                "model_id": MODEL_ID,
                "deployment_id": _deployment(request),
                "num_queued_requests": counts[Status.QUEUED],
                "num_in_progress_requests": counts[Status.IN_PROGRESS],
            }
        )

    def _add(self, job: Job) -> None:
        counts = self._queue.counts()
        waiting = counts[Status.QUEUED] + counts[Status.IN_PROGRESS]
        if waiting >= self._max_waiting:
            raise ApiError(429, "rate_limited", f"{waiting} requests are queued or running already")
        self._queue.add(job)

    async def _find(self, request: Request) -> Job:
        request_id, _, _ = str(request.path_params["request_id"]).partition(":")
        job = await self._commits(self._queue.find, request_id)
        if job is None:
            message = "No such request; one is known for an hour after its end."
            raise ApiError(404, "client_error", message)
        return job


def _deployment(request: Request) -> str:
    """The name in the path: the deployment's, the environment's, production or development."""
    name = request.path_params.get("name")
    return str(name) if name else request.url.path.split("/")[1]


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
