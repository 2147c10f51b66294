"""Takes requests from the queue to the model, as many at once as there are slots."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Protocol

import httpx

from scripts.local_baseten.group_commit import GroupCommit
from scripts.local_baseten.job import Job
from scripts.local_baseten.outcome import CONNECTION_LOST, TIMED_OUT, Outcome, outcome_of
from scripts.local_baseten.request_queue import RequestQueue
from scripts.local_baseten.slots import Slots

logger = logging.getLogger(__name__)

RUN_SECONDS = 3_600.0
"""How long the model may take for one request."""

_PUT_BACK_SECONDS = 0.1
_IDLE_SECONDS = 1.0


class ModelServer(Protocol):
    """Where the model answers; comes and goes."""

    @property
    def is_ready(self) -> bool: ...

    async def url(self) -> str:
        """Waits until the model is ready."""
        ...


class Worker:
    """Works while `run()` runs. `run_seconds` bounds one attempt; `on_end` is told of each."""

    def __init__(
        self,
        queue: RequestQueue,
        commits: GroupCommit,
        server: ModelServer,
        client: httpx.AsyncClient,
        *,
        slots: Slots,
        run_seconds: float = RUN_SECONDS,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._queue = queue
        self._commits = commits
        self._server = server
        self._client = client
        self._slots = slots
        self._run_seconds = run_seconds
        self._on_end = on_end
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Something was added to the queue."""
        self._news.set()

    async def run(self) -> None:
        """Cancelled, it leaves what is running IN_PROGRESS, to be taken up at the next start."""
        async with asyncio.TaskGroup() as running:
            while True:
                await self._until_due()
                await self._server.url()
                await self._slots.acquire(urgent=False)
                # Only now: until there is a slot, a request can be cancelled and overtaken.
                job = await self._commits(self._queue.claim) if self._server.is_ready else None
                if job is None:
                    self._slots.release()
                else:
                    running.create_task(self._execute(job))

    async def _until_due(self) -> None:
        while (seconds := await self._commits(self._queue.seconds_until_due)) != 0:
            self._news.clear()
            # The clock may be another than asyncio's: look again now and then.
            wait = _IDLE_SECONDS if seconds is None else min(seconds, _IDLE_SECONDS)
            with contextlib.suppress(TimeoutError):
                # Not wait_for: Python 3.11's can swallow a cancellation.
                async with asyncio.timeout(wait):
                    await self._news.wait()

    async def _execute(self, job: Job) -> None:
        try:
            outcome = await self._predict(job)
            if outcome is None:
                await self._commits(self._queue.put_back, job, delay_seconds=_PUT_BACK_SECONDS)
            else:
                await self._record(job, outcome)
        finally:
            self._slots.release()
            self.wake()
            self._on_end()

    async def _predict(self, job: Job) -> Outcome | None:
        """None where the request could not be sent at all: the server has just died."""
        url = await self._server.url()
        try:
            async with asyncio.timeout(self._run_seconds):
                answer = await self._client.post(
                    f"{url}/v1/models/model:predict",
                    content=job.model_input,
                    headers={
                        "content-type": "application/json",
                        "x-baseten-request-id": job.request_id,
                    },
                )
        except httpx.ConnectError:
            return None
        except TimeoutError:
            return TIMED_OUT
        except httpx.TransportError:
            return CONNECTION_LOST
        return outcome_of(answer.status_code, answer.content)

    async def _record(self, job: Job, outcome: Outcome) -> None:
        attempt = job.attempts + 1
        extra = {"request_id": job.request_id, "attempt": attempt}
        if outcome.error is None:
            await self._commits(self._queue.succeed, job, data=outcome.data)
            logger.info("done", extra=extra | {"status": "SUCCEEDED"})
            return
        extra |= {"code": outcome.error.code}
        delay_seconds = job.retry.delay_seconds(attempt) if outcome.may_be_retried else None
        if delay_seconds is None:
            await self._commits(self._queue.fail, job, outcome.error)
            logger.warning("failed", extra=extra | {"status": "FAILED"})
        else:
            await self._commits(self._queue.retry, job, outcome.error, delay_seconds=delay_seconds)
            logger.warning("trying again in %s s", delay_seconds, extra=extra)
