"""What the service tells about one request. Pure."""

from datetime import UTC, datetime
from typing import Any

from ..request_queue.job import Job

SERVED_ID = "local"
"""The id of the one model, or chain, that is served."""


def describe(job: Job) -> dict[str, Any]:
    """The answer of `GET /async_request/{id}`."""
    errors = [] if job.error is None else [job.error]
    return {
        "request_id": job.request_id,
        "chain_id" if job.is_chain else "model_id": SERVED_ID,
        "deployment_id": job.deployment_id,
        "status": job.status,
        "webhook_status": job.webhook_status,
        "created_at": _timestamp(job.created_at),
        "status_at": _timestamp(job.status_at),
        "errors": [{"code": error.code, "message": error.message} for error in errors],
    }


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
