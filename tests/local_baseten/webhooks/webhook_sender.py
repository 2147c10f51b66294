"""Requests that have just ended, and a deliverer for their webhooks."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from local_baseten.request_queue.database import Database
from local_baseten.request_queue.deliveries import Deliveries
from local_baseten.request_queue.group_commit import GroupCommit
from local_baseten.request_queue.request import AsyncRequest, RetryPolicy, Status, WebhookStatus
from local_baseten.request_queue.requests import RequestQueue
from local_baseten.webhooks.attempt import DeliveryPolicy, webhook_client
from local_baseten.webhooks.deliverer import WebhookDeliverer

QUICK = DeliveryPolicy(delays_seconds=(0.02,), timeout_seconds=60)


@dataclass
class Sender:
    """A queue, and a deliverer that works until no webhook (of those named) is pending."""

    database: Database
    queue: RequestQueue
    secrets: list[str] = field(default_factory=list)

    def end(self, endpoint: str, *, data: str = '{"pages": 3}', error=None, name="r") -> None:
        """A request that has just ended."""
        self.queue.add(
            AsyncRequest(
                request_id=name,
                deployment_id="production",
                model_input="{}",
                priority=0,
                created_at=0,
                status_at=0,
                expires_at=1e12,
                retry=RetryPolicy(),
                webhook_endpoint=endpoint,
            )
        )
        request = self.queue.claim()
        self.queue.fail(request, error) if error else self.queue.succeed(request, data=data)

    def deliver(
        self, *, policy: DeliveryPolicy = QUICK, name: str = "r", until: str = ""
    ) -> tuple[str, str]:
        """Status and webhook status of `name`; `until` is how the names waited for begin."""
        asyncio.run(self._deliver(policy, until))
        request = self.queue.find(name)
        return request.status, request.webhook_status

    @contextlib.asynccontextmanager
    async def deliverer(
        self, policy: DeliveryPolicy, clock: Callable[[], float] = time.time
    ) -> AsyncIterator[tuple[WebhookDeliverer, GroupCommit]]:
        async with (
            GroupCommit(self.database) as commits,
            webhook_client() as client,
            asyncio.timeout(120),
        ):
            deliverer = WebhookDeliverer(
                deliveries=Deliveries(self.database, clock=clock),
                commits=commits,
                client=client,
                secrets=lambda: self.secrets,
                policy=policy,
                clock=clock,
            )
            yield deliverer, commits

    async def _deliver(self, policy: DeliveryPolicy, names: str) -> None:
        async with self.deliverer(policy) as (deliverer, commits):
            running = asyncio.create_task(deliverer.run())
            while any(
                request.webhook_status is WebhookStatus.PENDING
                and request.request_id.startswith(names)
                for request in await commits(self.queue.latest, list(Status), limit=100)
            ):
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.wait([running])
