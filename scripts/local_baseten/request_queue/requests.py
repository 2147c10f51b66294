"""The durable queue: what it has taken is on disk, and survives kill -9."""

import itertools
import json
import time
from collections.abc import Callable, Collection

from .database import Database
from .job import Job, JobError, Status
from .pointer import key_of
from .rows import job_of, values_of

KNOWN_SECONDS = 3_600.0
"""How long a request is known after its end."""

CLAIM_SECONDS = 3_660.0
"""How long a claim holds: somewhat longer than a run may take."""

_LOOKED_AT = 1_000


class RequestQueue:
    """Requests in one SQLite file, by priority and then first come, first served.

    Every method is one transaction, on disk when it returns; called by GroupCommit, it is part of
    a larger one. One process at a time.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], float] = time.time,
        known_seconds: float = KNOWN_SECONDS,
        claim_seconds: float = CLAIM_SECONDS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._known_seconds = known_seconds
        self._claim_seconds = claim_seconds

    def add(self, job: Job) -> None:
        self._database.run("add", **values_of(job))

    def claim(self) -> Job | None:
        """The next request that is due, from now on IN_PROGRESS; None where there is none.

        It is taken back when the claim has expired; what its owner then says is not heard.
        """
        now = self._swept()
        cursor = self._database.run("claim", now=now, claimed_until=now + self._claim_seconds)
        rows = cursor.fetchall()
        return job_of(rows[0]) if rows else None

    def claim_many(self, limit: int) -> list[Job]:
        """As many as there are, up to `limit`, in their order."""
        return list(itertools.islice(iter(self.claim, None), limit))

    def seconds_until_due(self) -> float | None:
        """Zero where a request is due; None where none is waiting."""
        now = self._swept()
        (due_at,) = self._database.run("next_due").fetchone()
        return None if due_at is None else max(0.0, due_at - now)

    def put_back(self, job: Job, *, delay_seconds: float) -> bool:
        """The attempt did not come about, and is not counted. False where the claim has expired."""
        now = self._swept()
        cursor = self._database.run(
            "put_back", request_id=job.request_id, claims=job.claims, due_at=now + delay_seconds
        )
        return cursor.rowcount > 0

    def retry(self, job: Job, error: JobError, *, delay_seconds: float) -> bool:
        """The attempt failed, and another one follows. False where the claim has expired."""
        now = self._swept()
        cursor = self._database.run(
            "retry",
            request_id=job.request_id,
            claims=job.claims,
            due_at=now + delay_seconds,
            error_code=error.code,
            error_message=error.message,
        )
        return cursor.rowcount > 0

    def succeed(self, job: Job, *, data: str | None = None) -> bool:
        """`data`, the model's answer, is kept for the webhook alone, but for where the result is.

        False where the claim has expired.
        """
        return self._finish(job, Status.SUCCEEDED, error=None, data=data)

    def fail(self, job: Job, error: JobError) -> bool:
        """False where the claim has expired."""
        return self._finish(job, Status.FAILED, error=error, data=None)

    def cancel(self, request_id: str) -> bool:
        """Whether it was still QUEUED, and now is CANCELED."""
        now = self._swept()
        forget_at = now + self._known_seconds
        cursor = self._database.run("cancel", request_id=request_id, now=now, forget_at=forget_at)
        return cursor.rowcount > 0

    def find(self, request_id: str) -> Job | None:
        """None for a request never added, or forgotten an hour after its end."""
        self._swept()
        row = self._database.run("find", request_id=request_id).fetchone()
        return None if row is None else job_of(row)

    def recent(self, limit: int) -> list[Job]:
        """The latest requests, newest first, with an empty `model_input`."""
        self._swept()
        return [job_of(row) for row in self._database.run("recent", limit=limit)]

    def latest(self, statuses: Collection[Status], *, limit: int) -> list[Job]:
        """Those whose status has changed last, newest first, with an empty `model_input`.

        Of those that wait, the next are looked at; of those that have ended, the latest 1,000.
        """
        self._swept()
        rows = self._database.run(
            "latest", statuses=json.dumps(list(statuses)), limit=limit, looked_at=_LOOKED_AT
        )
        return [job_of(row) for row in rows]

    def count(self, status: Status) -> int:
        return self.counts()[status]

    def counts(self) -> dict[Status, int]:
        """How many requests are known, by status; as fast with many as with few."""
        self._swept()
        counts = dict.fromkeys(Status, 0)
        return counts | {
            Status(row["status"]): row["count"] for row in self._database.run("counts")
        }

    def _finish(
        self, job: Job, status: Status, *, error: JobError | None, data: str | None
    ) -> bool:
        now = self._swept()
        with self._database.transaction():
            cursor = self._database.run(
                "finish",
                request_id=job.request_id,
                claims=job.claims,
                status=status,
                now=now,
                forget_at=now + self._known_seconds,
                error_code=error and error.code,
                error_message=error and error.message,
                result_key=data and key_of(data),
            )
            if cursor.rowcount and job.webhook_endpoint:
                self._database.run("add_delivery", request_id=job.request_id, now=now, data=data)
        return cursor.rowcount > 0

    def _swept(self) -> float:
        """Time passes between calls: what has come due by itself happens first. The time."""
        now = self._clock()
        self._database.run("expire", now=now, known_seconds=self._known_seconds)
        self._database.run("wake_delayed", now=now)
        self._database.run("take_back", now=now)
        if self._database.run("forget", now=now).rowcount:
            self._database.run("vacuum").fetchall()
        return now
