"""Requests and deliveries as the database's rows."""

import sqlite3
from typing import Any

from .job import Delivery, Job, JobError, RetryPolicy, Status, WebhookStatus


def values_of(job: Job) -> dict[str, Any]:
    """Of a new request."""
    return {
        "request_id": job.request_id,
        "deployment_id": job.deployment_id,
        "model_input": job.model_input,
        "priority": job.priority,
        "created_at": job.created_at,
        "expires_at": job.expires_at,
        "max_attempts": job.retry.max_attempts,
        "initial_delay_ms": job.retry.initial_delay_ms,
        "max_delay_ms": job.retry.max_delay_ms,
        "webhook_endpoint": job.webhook_endpoint,
        "is_chain": job.is_chain,
        "name": job.name,
    }


def job_of(row: sqlite3.Row) -> Job:
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
        started_at=row["started_at"],
        attempts=row["attempts"],
        claims=row["claims"],
        error=_error(row),
        webhook_endpoint=row["webhook_endpoint"],
        webhook_status=WebhookStatus(row["webhook_status"]),
        is_chain=bool(row["is_chain"]),
        name=row["name"],
        result_key=row["result_key"],
    )


def delivery_of(row: sqlite3.Row) -> Delivery:
    return Delivery(
        request_id=row["request_id"],
        deployment_id=row["deployment_id"],
        endpoint=row["endpoint"],
        data=row["data"],
        error=_error(row),
        ended_at=row["ended_at"],
        attempts=row["attempts"],
    )


def _error(row: sqlite3.Row) -> JobError | None:
    code = row["error_code"]
    return None if code is None else JobError(code=code, message=row["error_message"])
