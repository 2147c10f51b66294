"""Takes requests from the queue to the model, as many at once as there are slots."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from ..settings import RUN_SECONDS
from ..trusses.client import ModelCall, ModelCaller, ModelLostError, ModelRefusedError
from .claim_loop import ClaimLoop
from .group_commit import GroupCommit
from .outcome import CONNECTION_LOST, TIMED_OUT, Outcome, outcome_of
from .request import AsyncRequest
from .requests import RequestQueue
from .slots import ModelServer, Slots

logger = logging.getLogger(__name__)

# Long enough for the server's death to be noticed, so that the request goes to another one.
_PUT_BACK_SECONDS = 0.1


@dataclass(kw_only=True, eq=False)
class Worker(ClaimLoop):
    """`run_seconds` bounds one attempt; `on_claim` is told of each request.

    `on_end` is called when one has ended that has a webhook.
    """

    queue: RequestQueue
    commits: GroupCommit
    model: ModelCaller
    slots: Slots
    run_seconds: float = RUN_SECONDS
    on_claim: Callable[[AsyncRequest], None] = lambda _: None
    on_end: Callable[[], None] = lambda: None

    async def claim(self, running: asyncio.TaskGroup) -> bool:
        # Only with a slot in hand: until then, a request can be cancelled and overtaken.
        servers = [await self.slots.acquire(urgent=False), *self.slots.take_free()]
        requests = await self.commits.lightly(self.queue.claim_many, len(servers))
        for server in servers[len(requests) :]:
            self.slots.release(server)
        for request, server in zip(requests, servers, strict=False):
            self.on_claim(request)
            running.create_task(self._execute(request, server))
        return bool(requests)

    async def seconds_until_due(self) -> float | None:
        return await self.commits.lightly(self.queue.seconds_until_due)

    async def _execute(self, request: AsyncRequest, server: ModelServer) -> None:
        try:
            outcome = await self._predict(request, server.url)
        finally:
            self.slots.release(server)
        if outcome is None:
            await self.commits.lightly(
                self.queue.put_back, request, delay_seconds=_PUT_BACK_SECONDS
            )
            self.wake()
        else:
            await self._record(request, outcome)
            if request.webhook_endpoint is not None:
                self.on_end()

    async def _predict(self, request: AsyncRequest, url: str) -> Outcome | None:
        """None where the request could not be sent at all: the server has just died."""
        call = ModelCall(
            url=url,
            body=request.model_input,
            request_id=request.request_id,
            attempt=request.attempts + 1,
        )
        try:
            async with asyncio.timeout(self.run_seconds):
                answer = await self.model.predict(call)
        except ModelRefusedError:
            return None
        except TimeoutError:
            # Not repeated: it would take as long again.
            return TIMED_OUT
        except ModelLostError:
            return CONNECTION_LOST
        return outcome_of(answer.status, answer.body, is_stream=answer.is_stream)

    async def _record(self, request: AsyncRequest, outcome: Outcome) -> None:
        attempt = request.attempts + 1
        extra = {"request_id": request.request_id, "attempt": attempt}
        if outcome.error is None:
            await self.commits.lightly(self.queue.succeed, request, data=outcome.data)
            logger.info("done", extra=extra | {"status": "SUCCEEDED"})
            return
        extra |= {"code": outcome.error.code}
        delay_seconds = request.retry.delay_seconds(attempt) if outcome.may_be_retried else None
        if delay_seconds is None:
            await self.commits.lightly(self.queue.fail, request, outcome.error)
            logger.warning("failed", extra=extra | {"status": "FAILED"})
        else:
            await self.commits.lightly(
                self.queue.retry, request, outcome.error, delay_seconds=delay_seconds
            )
            self.wake()
            logger.warning("trying again in %s s", delay_seconds, extra=extra)
