"""Deliveries to webhooks: each is in the file from the moment its request has ended."""

import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

from ..settings import KNOWN_SECONDS
from .database import Database
from .request import WebhookDelivery, WebhookStatus
from .rows import delivery_of


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The deliveries of one queue's file; made by RequestQueue as requests end.

    Methods are transactions like the queue's. Call one of `succeeded`, `failed` and `retried` for
    every claimed delivery; where the process ended before that, it is delivered again.
    """

    database: Database
    _: KW_ONLY
    clock: Callable[[], float] = time.time
    known_seconds: float = KNOWN_SECONDS

    def claim(self) -> WebhookDelivery | None:
        """The delivery that has been due for longest; None where none is due."""
        with self.database.transaction():
            rows = self.database.run("claim_delivery", now=self.clock()).fetchall()
            if not rows:
                return None
            found = self.database.run("find_delivery", sequence=rows[0]["sequence"]).fetchone()
        return delivery_of(found)

    def seconds_until_due(self) -> float | None:
        """Zero where a delivery is due; None where there is none to be made."""
        (due_at,) = self.database.run("next_delivery_due").fetchone()
        return None if due_at is None else max(0.0, due_at - self.clock())

    def retried(self, delivery: WebhookDelivery, *, delay_seconds: float) -> None:
        """The attempt failed, and another one follows."""
        self.database.run(
            "retry_delivery",
            request_id=delivery.request_id,
            due_at=self.clock() + delay_seconds,
        )

    def succeeded(self, delivery: WebhookDelivery) -> None:
        """Deletes the result; the request is known for an hour from now."""
        self._end(delivery, WebhookStatus.SUCCEEDED)

    def failed(self, delivery: WebhookDelivery) -> None:
        """No attempt is left: deletes the result; a request that succeeded is WEBHOOK_FAILED."""
        self._end(delivery, WebhookStatus.FAILED)

    def _end(self, delivery: WebhookDelivery, status: WebhookStatus) -> None:
        now = self.clock()
        self.database.expect(now + self.known_seconds)
        with self.database.transaction():
            self.database.run("delete_delivery", request_id=delivery.request_id)
            self.database.run(
                "end_delivery",
                request_id=delivery.request_id,
                webhook_status=status,
                now=now,
                forget_at=now + self.known_seconds,
            )
