"""What the page asks for, and what it is told of a request. Pure."""

from typing import Any

from scripts.local_baseten.answers import ApiError
from scripts.local_baseten.history import KEPT_SECONDS
from scripts.local_baseten.job import Job, Status


def row_of(job: Job) -> dict[str, Any]:
    """Times are seconds since 1970."""
    return {
        "request_id": job.request_id,
        "name": job.name,
        "status": job.status,
        "webhook_status": job.webhook_status,
        "priority": job.priority,
        "attempts": job.attempts,
        "max_attempts": job.retry.max_attempts,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "status_at": job.status_at,
        "error": job.error and {"code": job.error.code, "message": job.error.message},
    }


def window_of(text: str) -> int:
    """In seconds. Raises ApiError 400."""
    if text.isdecimal() and len(text) < 6 and 60 <= int(text) <= KEPT_SECONDS:
        return int(text)
    raise ApiError(400, "client_error", f"window: must be 60 to {KEPT_SECONDS} seconds")


def statuses_of(names: list[str]) -> list[Status]:
    """All of them where none is named. Raises ApiError 400."""
    try:
        return list(dict.fromkeys(map(Status, names))) or list(Status)
    except ValueError:
        raise ApiError(400, "client_error", "status: no such status") from None
