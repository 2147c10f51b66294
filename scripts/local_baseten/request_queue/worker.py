"""Takes requests from the queue to the model, as many at once as there are slots."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from ..settings import RUN_SECONDS
from ..trusses.client import ModelCaller, ModelLostError, ModelRefusedError
from ..trusses.slots import ModelServer, Slots
from .group_commit import GroupCommit
from .job import Job
from .outcome import CONNECTION_LOST, TIMED_OUT, Outcome, outcome_of
from .requests import RequestQueue

logger = logging.getLogger(__name__)

_PUT_BACK_SECONDS = 0.1
_IDLE_SECONDS = 1.0


class Worker:
    """Works while `run()` runs. `run_seconds` bounds one attempt; `on_claim`, `on_end` are told."""

    def __init__(
        self,
        queue: RequestQueue,
        commits: GroupCommit,
        model: ModelCaller,
        *,
        slots: Slots,
        run_seconds: float = RUN_SECONDS,
        on_claim: Callable[[Job], None] = lambda _: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._queue = queue
        self._commits = commits
        self._model = model
        self._slots = slots
        self._run_seconds = run_seconds
        self._on_claim = on_claim
        self._on_end = on_end
        self._news = asyncio.Event()
        self._claiming: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Something was added to the queue."""
        self._news.set()

    async def run(self) -> None:
        """Cancelled, it leaves what is running IN_PROGRESS, to be taken up at the next start."""
        async with asyncio.TaskGroup() as running:
            self._claiming = running.create_task(self._claim(running))

    def finish(self) -> None:
        """Take on nothing more: `run()` returns when what runs has ended."""
        if self._claiming is not None:
            self._claiming.cancel()

    async def _claim(self, running: asyncio.TaskGroup) -> None:
        while True:
            # Only with a slot in hand: until then, a request can be cancelled and overtaken.
            servers = [await self._slots.acquire(urgent=False), *self._slots.take_free()]
            jobs = await self._commits(self._queue.claim_many, len(servers))
            for server in servers[len(jobs) :]:
                self._slots.release(server)
            for job, server in zip(jobs, servers, strict=False):
                self._on_claim(job)
                running.create_task(self._execute(job, server))
            if not jobs:
                await self._until_due()

    async def _until_due(self) -> None:
        while (seconds := await self._commits(self._queue.seconds_until_due)) != 0:
            # The clock may be another than asyncio's: look again now and then.
            wait = _IDLE_SECONDS if seconds is None else min(seconds, _IDLE_SECONDS)
            with contextlib.suppress(TimeoutError):
                # Not wait_for: Python 3.11's can swallow a cancellation.
                async with asyncio.timeout(wait):
                    await self._news.wait()
            self._news.clear()

    async def _execute(self, job: Job, server: ModelServer) -> None:
        try:
            outcome = await self._predict(job, server.url)
        finally:
            self._slots.release(server)
        if outcome is None:
            await self._commits(self._queue.put_back, job, delay_seconds=_PUT_BACK_SECONDS)
            self.wake()
        else:
            await self._record(job, outcome)
            self._on_end()

    async def _predict(self, job: Job, url: str) -> Outcome | None:
        """None where the request could not be sent at all: the server has just died."""
        try:
            async with asyncio.timeout(self._run_seconds):
                answer = await self._model.predict(
                    url,
                    job.model_input,
                    request_id=job.request_id,
                    content_type="application/json",
                )
        except ModelRefusedError:
            return None
        except TimeoutError:
            return TIMED_OUT
        except ModelLostError:
            return CONNECTION_LOST
        return outcome_of(answer.status, answer.body)

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
            self.wake()
            logger.warning("trying again in %s s", delay_seconds, extra=extra)
