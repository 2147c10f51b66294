"""Takes finished requests' results to their webhooks, many at once, each until its end."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence

import httpx

from baseten_webhooks.signing import REQUEST_ID, SIGNATURE, sign

from ..request_queue.deliveries import Deliveries
from ..request_queue.group_commit import GroupCommit
from ..request_queue.job import Delivery
from .attempt import Attempt, DeliveryPolicy, post
from .payload import payload

logger = logging.getLogger(__name__)

_AT_ONCE = 50
_IDLE_SECONDS = 1.0


class WebhookDeliverer:
    """Delivers while `run()` runs. `secrets` is asked at each attempt: none, nothing is signed.

    `on_attempt` is told how many seconds each attempt took.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        commits: GroupCommit,
        client: httpx.AsyncClient,
        *,
        model_id: str,
        secrets: Callable[[], Sequence[str]],
        policy: DeliveryPolicy,
        on_attempt: Callable[[float], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._deliveries = deliveries
        self._commits = commits
        self._client = client
        self._model_id = model_id
        self._secrets = secrets
        self._policy = policy
        self._on_attempt = on_attempt
        self._clock = clock
        self._news = asyncio.Event()
        self._claiming: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """A request has ended."""
        self._news.set()

    async def run(self) -> None:
        """Cancelled, it leaves what is under way to be made again at the next start."""
        async with asyncio.TaskGroup() as running:
            self._claiming = running.create_task(self._claim(running))

    def finish(self) -> None:
        """Start nothing more: `run()` returns when what is under way has ended."""
        if self._claiming is not None:
            self._claiming.cancel()

    async def _claim(self, running: asyncio.TaskGroup) -> None:
        slots = asyncio.Semaphore(_AT_ONCE)
        while True:
            await slots.acquire()
            delivery = await self._next()
            task = running.create_task(self._deliver(delivery))
            task.add_done_callback(lambda _: slots.release())

    async def _next(self) -> Delivery:
        while True:
            self._news.clear()
            delivery = await self._commits(self._deliveries.claim)
            if delivery is not None:
                return delivery
            seconds = await self._commits(self._deliveries.seconds_until_due)
            # The clock may be another than asyncio's: look again now and then.
            wait = _IDLE_SECONDS if seconds is None else min(seconds, _IDLE_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()

    async def _deliver(self, delivery: Delivery) -> None:
        body = payload(delivery, model_id=self._model_id, now=self._clock())
        begun = time.monotonic()
        attempt = await post(
            self._client,
            delivery.endpoint,
            body,
            headers=self._headers(delivery, body),
            timeout_seconds=self._policy.timeout_seconds,
        )
        self._on_attempt(time.monotonic() - begun)
        await self._record(delivery, attempt)

    def _headers(self, delivery: Delivery, body: bytes) -> dict[str, str]:
        headers = {"content-type": "application/json", REQUEST_ID: delivery.request_id}
        if secrets := self._secrets():
            headers[SIGNATURE] = sign(body, secrets)
        return headers

    async def _record(self, delivery: Delivery, attempt: Attempt) -> None:
        failed = delivery.attempts + 1
        delay_seconds = self._policy.delay_seconds(failed) if attempt.may_be_retried else None
        extra = {"request_id": delivery.request_id, "attempt": failed}
        if attempt.is_delivered:
            await self._commits(self._deliveries.succeeded, delivery)
            logger.info("webhook delivered", extra=extra)
        elif delay_seconds is not None:
            await self._commits(self._deliveries.retried, delivery, delay_seconds=delay_seconds)
            logger.warning("webhook: %s, trying again", attempt.reason, extra=extra)
            self.wake()
        else:
            await self._commits(self._deliveries.failed, delivery)
            logger.warning("webhook failed: %s", attempt.reason, extra=extra)
