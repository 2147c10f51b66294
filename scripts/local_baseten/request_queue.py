"""The durable queue: what it has taken is on disk, and survives kill -9."""

import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from scripts.local_baseten.job import Job, JobError, Status
from scripts.local_baseten.retry import RetryPolicy

KNOWN_SECONDS = 3_600.0
"""How long a request is known after its end."""

_NAMED_QUERY = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)
_QUERIES = dict(_NAMED_QUERY.findall((Path(__file__).parent / "queries.sql").read_text()))


class RequestQueue:
    """Requests in one SQLite file, by priority and then first come, first served.

    Every method is one transaction, on disk when it returns. One process at a time.
    """

    def __init__(self, connection: sqlite3.Connection, *, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], float] = time.time) -> Self:
        """Open or make the file; requests that ran when it was last used wait again."""
        connection = sqlite3.connect(path, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        for query in ("create_requests", "create_waiting", "create_by_status", "recover"):
            connection.execute(_QUERIES[query])
        return cls(connection, clock=clock)

    def close(self) -> None:
        self._connection.close()

    def add(self, job: Job) -> None:
        self._run(
            "add",
            request_id=job.request_id,
            deployment_id=job.deployment_id,
            model_input=job.model_input,
            priority=job.priority,
            created_at=job.created_at,
            expires_at=job.expires_at,
            max_attempts=job.retry.max_attempts,
            initial_delay_ms=job.retry.initial_delay_ms,
            max_delay_ms=job.retry.max_delay_ms,
        )

    def claim(self) -> Job | None:
        """The next request that is due, from now on IN_PROGRESS; None where there is none."""
        self._sweep()
        rows = self._run("claim", now=self._clock()).fetchall()
        return _job(rows[0]) if rows else None

    def seconds_until_due(self) -> float | None:
        """Zero where a request is due; None where none is waiting."""
        self._sweep()
        (due_at,) = self._run("next_due").fetchone()
        return None if due_at is None else max(0.0, due_at - self._clock())

    def put_back(self, job: Job, *, delay_seconds: float) -> None:
        """The attempt did not come about, and is not counted."""
        self._run("put_back", request_id=job.request_id, due_at=self._clock() + delay_seconds)

    def retry(self, job: Job, error: JobError, *, delay_seconds: float) -> None:
        self._run(
            "retry",
            request_id=job.request_id,
            due_at=self._clock() + delay_seconds,
            error_code=error.code,
            error_message=error.message,
        )

    def succeed(self, job: Job) -> None:
        self._finish(job, Status.SUCCEEDED, None)

    def fail(self, job: Job, error: JobError) -> None:
        self._finish(job, Status.FAILED, error)

    def cancel(self, request_id: str) -> bool:
        """Whether it was still QUEUED, and now is CANCELED."""
        self._sweep()
        return self._run("cancel", request_id=request_id, now=self._clock()).rowcount > 0

    def find(self, request_id: str) -> Job | None:
        """None for a request never added, or forgotten an hour after its end."""
        self._sweep()
        row = self._run("find", request_id=request_id).fetchone()
        return None if row is None else _job(row)

    def count(self, status: Status) -> int:
        self._sweep()
        (count,) = self._run("count", status=status).fetchone()
        return int(count)

    def _finish(self, job: Job, status: Status, error: JobError | None) -> None:
        self._run(
            "finish",
            request_id=job.request_id,
            status=status,
            now=self._clock(),
            error_code=error and error.code,
            error_message=error and error.message,
        )

    def _sweep(self) -> None:
        """Time passes between calls: end what has expired, forget what ended long ago."""
        now = self._clock()
        self._run("expire", now=now)
        self._run("forget", before=now - KNOWN_SECONDS)

    def _run(self, query: str, **values: Any) -> sqlite3.Cursor:
        return self._connection.execute(_QUERIES[query], values)


def _job(row: sqlite3.Row) -> Job:
    code = row["error_code"]
    return Job(
        request_id=row["request_id"],
        deployment_id=row["deployment_id"],
        model_input=row["model_input"],
        priority=row["priority"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        retry=RetryPolicy(
            max_attempts=row["max_attempts"],
            initial_delay_ms=row["initial_delay_ms"],
            max_delay_ms=row["max_delay_ms"],
        ),
        status=Status(row["status"]),
        status_at=row["status_at"],
        attempts=row["attempts"],
        error=None if code is None else JobError(code=code, message=row["error_message"]),
    )
