"""The durable queue: what it has taken is on disk, and survives kill -9."""

import json
import math
import time
from collections.abc import Callable, Collection
from dataclasses import KW_ONLY, dataclass
from operator import itemgetter
from typing import Any

from ..settings import KNOWN_SECONDS
from .database import Database
from .pointer import key_of
from .request import AsyncRequest, RequestError, Status
from .rows import request_of, values_of

CLAIM_SECONDS = 3_660.0
"""How long a claim holds. Longer than a run may take, or a request would run twice."""

_LOOKED_AT = 1_000
_SWEPT_AT_ONCE = 250
_FREE_PAGES = 1_000
"""Kept free for what comes next: 4 MiB."""
_GIVEN_BACK_PAGES, _SWEPT_PAGES = 300, 64
"""At once: some hundredths of a second, and some thousandths."""


@dataclass(frozen=True, slots=True)
class RequestQueue:
    """Requests in one SQLite file, by priority and then first come, first served.

    Every method is one transaction, on disk when it returns; called by GroupCommit, it is part of
    a larger one. One process at a time.
    """

    database: Database
    _: KW_ONLY
    clock: Callable[[], float] = time.time
    known_seconds: float = KNOWN_SECONDS
    claim_seconds: float = CLAIM_SECONDS

    def add(self, request: AsyncRequest) -> None:
        self.database.expect(request.expires_at)
        self.database.run("add", **values_of(request))

    def claim(self) -> AsyncRequest | None:
        """The next request that is due, from now on IN_PROGRESS; None where there is none.

        When the claim expires, another may claim the request; the former claim can then no longer
        end it: `succeed`, `fail`, `retry` and `put_back` change nothing and return False.
        """
        requests = self.claim_many(1)
        return requests[0] if requests else None

    def claim_many(self, limit: int) -> list[AsyncRequest]:
        """As many as there are, up to `limit`, in their order."""
        now = self._swept()
        if self._is_behind(now) and self.database.run("has_expired", now=now).fetchone()[0]:
            return []  # which is due is known when all that have expired are put away
        values = {"now": now, "claimed_until": now + self.claim_seconds, "limit": limit}
        rows = self.database.run("claim", **values).fetchall()
        self.database.expect(values["claimed_until"])
        rows.sort(key=itemgetter("priority", "sequence"))
        return [request_of(row) for row in rows]

    def seconds_until_due(self) -> float | None:
        """Zero where a request is due; None where none is waiting."""
        now = self._swept()
        (due_at,) = self.database.run("next_due").fetchone()
        return None if due_at is None else max(0.0, due_at - now)

    def put_back(self, request: AsyncRequest, *, delay_seconds: float) -> bool:
        """The attempt did not come about, and is not counted. False where the claim has expired."""
        due_at = self._swept() + delay_seconds
        self.database.expect(due_at)
        return self._claimed("put_back", request, due_at=due_at)

    def retry(self, request: AsyncRequest, error: RequestError, *, delay_seconds: float) -> bool:
        """The attempt failed, and another one follows. False where the claim has expired."""
        due_at = self._swept() + delay_seconds
        self.database.expect(due_at)
        return self._claimed(
            "retry",
            request,
            due_at=due_at,
            error_code=error.code,
            error_message=error.message,
        )

    def succeed(self, request: AsyncRequest, *, data: str | None = None) -> bool:
        """`data` is the model's answer; it is kept for a webhook only, the result's key always.

        False where the claim has expired.
        """
        return self._finish(request, Status.SUCCEEDED, error=None, data=data)

    def fail(self, request: AsyncRequest, error: RequestError) -> bool:
        """False where the claim has expired."""
        return self._finish(request, Status.FAILED, error=error, data=None)

    def cancel(self, request_id: str) -> bool:
        """Whether it was still QUEUED, and now is CANCELED."""
        now = self._swept_with(request_id)
        forget_at = now + self.known_seconds
        self.database.expect(forget_at)
        cursor = self.database.run("cancel", request_id=request_id, now=now, forget_at=forget_at)
        return cursor.rowcount > 0

    def find(self, request_id: str) -> AsyncRequest | None:
        """None for a request never added, or forgotten an hour after its end."""
        now = self._swept_with(request_id)
        row = self.database.run("find", request_id=request_id, now=now).fetchone()
        return None if row is None else request_of(row)

    def latest(self, statuses: Collection[Status], *, limit: int) -> list[AsyncRequest]:
        """Those whose status has changed last, newest first, with an empty `model_input`.

        Of those that wait, the next are looked at; of those that have ended, the latest 1,000.
        """
        self._swept()
        rows = self.database.run(
            "latest", statuses=json.dumps(list(statuses)), limit=limit, looked_at=_LOOKED_AT
        )
        return [request_of(row) for row in rows]

    def counts(self) -> dict[Status, int]:
        """How many requests are known, by status; as fast with many as with few."""
        self._swept()
        counts = dict.fromkeys(Status, 0)
        return counts | {Status(row["status"]): row["count"] for row in self.database.run("counts")}

    def count_unfinished(self) -> int:
        """How many are QUEUED or IN_PROGRESS."""
        self._swept()
        (count,) = self.database.run("count_unfinished").fetchone()
        return int(count)

    def tidy(self) -> bool:
        """Give back a part of what is free in the file, where most of it is; whether it was so."""
        free, pages = self.database.run("free_pages").fetchone()
        if free <= max(_FREE_PAGES, pages / 2):
            return False
        self._give_back(_GIVEN_BACK_PAGES)
        return True

    def _give_back(self, pages: int) -> None:
        for _ in range(pages):
            self.database.run("vacuum").fetchall()

    def _finish(
        self, request: AsyncRequest, status: Status, *, error: RequestError | None, data: str | None
    ) -> bool:
        now = self._swept()
        forget_at = now + self.known_seconds
        self.database.expect(forget_at)
        values = {
            "status": status,
            "now": now,
            "forget_at": forget_at,
            "error_code": error and error.code,
            "error_message": error and error.message,
            "result_key": data and key_of(data),
        }
        if request.webhook_endpoint is None:
            return self._claimed("finish", request, **values)
        with self.database.transaction():
            holds = self._claimed("finish", request, **values)
            if holds:
                self.database.run("add_delivery", request_id=request.request_id, now=now, data=data)
        return holds

    def _claimed(self, query: str, request: AsyncRequest, **values: Any) -> bool:
        """Run it for the claimed request; False where the claim has expired."""
        claim = {"request_id": request.request_id, "claims": request.claims}
        return self.database.run(query, **claim, **values).rowcount > 0

    def _swept(self) -> float:
        """Apply what has come due since the last call; returns the time.

        So no timer is needed: a request expires when the queue is next looked at. Where much has
        come due at once, a part of it at each call: each call is to be quick.
        """
        now = self.clock()
        if self._is_behind(now):
            run, values = self.database.run, {"now": now, "limit": _SWEPT_AT_ONCE}
            run("expire", known_seconds=self.known_seconds, **values)
            run("wake_delayed", **values)
            run("take_back", now=now)
            # Not at each call: it writes to the file even where there is nothing to give back.
            if run("forget", **values).rowcount:
                self._give_back(_SWEPT_PAGES)
            (due_at,) = run("next_change").fetchone()
            self.database.due_at = math.inf if due_at is None else due_at
        return now

    def _is_behind(self, now: float) -> bool:
        return self.database.due_at <= now

    def _swept_with(self, request_id: str) -> float:
        """Also where more has come due than is applied at once, this request is up to date."""
        now = self._swept()
        if self._is_behind(now):
            values = {"request_id": request_id, "known_seconds": self.known_seconds}
            self.database.run("expire_request", now=now, **values)
        return now
