"""Delivers finished requests' results to their webhooks, many at once."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from baseten_webhooks.signing import REQUEST_ID, SIGNATURE, sign

from ..request_queue.claim_loop import ClaimLoop
from ..request_queue.deliveries import Deliveries
from ..request_queue.group_commit import GroupCommit
from ..request_queue.request import WebhookDelivery, read_json, timestamp
from ..settings import SERVED_ID
from .attempt import DeliveryPolicy, WebhookAttempt, post

logger = logging.getLogger(__name__)

# A receiver that stalls holds up one of these for 10 seconds.
_AT_ONCE = 50


@dataclass(kw_only=True, eq=False)
class WebhookDeliverer(ClaimLoop):
    """`secrets` is asked at each attempt; without one, nothing is signed.

    `on_attempt` is told how many seconds each attempt took.
    """

    deliveries: Deliveries
    commits: GroupCommit
    client: httpx.AsyncClient
    secrets: Callable[[], Sequence[str]]
    policy: DeliveryPolicy
    on_attempt: Callable[[float], None] = lambda _: None
    clock: Callable[[], float] = time.time
    _room: asyncio.Semaphore = field(
        init=False, default_factory=lambda: asyncio.Semaphore(_AT_ONCE)
    )

    async def claim(self, running: asyncio.TaskGroup) -> bool:
        await self._room.acquire()
        delivery = await self.commits.lightly(self.deliveries.claim)
        if delivery is None:
            self._room.release()
            return False
        task = running.create_task(self._deliver(delivery))
        task.add_done_callback(lambda _: self._room.release())
        return True

    async def seconds_until_due(self) -> float | None:
        return await self.commits.lightly(self.deliveries.seconds_until_due)

    async def _deliver(self, delivery: WebhookDelivery) -> None:
        body = _payload(delivery, now=self.clock())
        begun = time.monotonic()
        attempt = await post(
            self.client,
            delivery.endpoint,
            body,
            headers=self._headers(delivery, body),
            timeout_seconds=self.policy.timeout_seconds,
        )
        self.on_attempt(time.monotonic() - begun)
        await self._record(delivery, attempt)

    def _headers(self, delivery: WebhookDelivery, body: bytes) -> dict[str, str]:
        headers = {"content-type": "application/json", REQUEST_ID: delivery.request_id}
        if secrets := self.secrets():
            headers[SIGNATURE] = sign(body, secrets)
        return headers

    async def _record(self, delivery: WebhookDelivery, attempt: WebhookAttempt) -> None:
        failed = delivery.attempts + 1
        delay_seconds = self.policy.delay_seconds(failed) if attempt.may_be_retried else None
        extra = {"request_id": delivery.request_id, "attempt": failed}
        if attempt.is_delivered:
            await self.commits(self.deliveries.succeeded, delivery)
            logger.info("webhook delivered", extra=extra)
        elif delay_seconds is not None:
            await self.commits(self.deliveries.retried, delivery, delay_seconds=delay_seconds)
            logger.warning("webhook: %s, trying again", attempt.reason, extra=extra)
            self.wake()
        else:
            await self.commits(self.deliveries.failed, delivery)
            logger.warning("webhook failed: %s", attempt.reason, extra=extra)


def _payload(delivery: WebhookDelivery, *, now: float) -> bytes:
    """The body: signed as it is, sent as it is. `time` is when it is sent, in UTC."""
    error = delivery.error
    fields = {
        "request_id": delivery.request_id,
        "model_id": SERVED_ID,
        "deployment_id": delivery.deployment_id,
        "type": "async_request_completed",
        "time": timestamp(now),
        "data": None if error else _data(delivery.data),
        "errors": [{"code": error.code, "message": error.message}] if error else [],
    }
    return json.dumps(fields).encode()


def _data(output: str | None) -> Any:
    """The model's output; as a string where it is not JSON."""
    if output is None:
        return None
    try:
        return read_json(output)
    except (ValueError, RecursionError):
        return output
