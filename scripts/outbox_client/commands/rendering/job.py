"""How a job stands and ended, as text and as JSON."""

from collections.abc import Iterator, Mapping
from typing import Any

from ...following.account import Account, account_document
from ...following.cancel import Cancellation
from ...following.status import JobStatus
from ...journal.entries import Entry, State
from ...text import duration_text, printable
from .answers import counted
from .problems import grouped_lines, kind_of


def account_answer(account: Account, *, now: float) -> dict[str, Any]:
    """The account as it is stored, with the counts of what has not ended too."""
    return account_document(account, now=now) | {"counts": _counts(account)}


def account_lines(account: Account) -> Iterator[str]:
    """What did not succeed, some of each kind, and the counts."""
    yield from grouped_lines(
        (kind_of(entry.state.value, entry.code), _entry_line(entry))
        for entry in account.not_succeeded()
        if entry.state is not State.PLANNED
    )
    yield f"job {printable(account.job)}: {counted(account.counts)}"
    if planned := account.counts.get(State.PLANNED):
        yield f"{planned} not sent: `outbox resume {printable(account.job)}` sends them"


def status_document(status: JobStatus) -> dict[str, Any]:
    queue, oldest = status.queue, status.oldest
    return {
        "job": status.account.job,
        "counts": _counts(status.account),
        "rate_per_second": round(status.rate, 3),
        "seconds_left": None if status.seconds_left is None else round(status.seconds_left),
        "queue": queue and {"queued": queue.queued, "in_progress": queue.in_progress},
        "oldest": oldest
        and {
            "item": oldest.item,
            "seconds": round(oldest.seconds, 1),
            "service": oldest.service,
        },
        "failures": status.failures,
    }


def status_lines(status: JobStatus) -> Iterator[str]:
    job = printable(status.account.job)
    yield f"job {job}: {counted(status.account.counts)}"
    if status.pending:
        left = status.seconds_left
        ends = "" if left is None else f", about {duration_text(1000 * left)} to go"
        yield f"rate: {status.rate:.1f} results/s{ends}"
    if status.queue is not None:
        queue = status.queue
        yield f"queue of the model: {queue.queued} waiting, {queue.in_progress} running"
    if status.oldest is not None:
        said = f", {status.oldest.service}" if status.oldest.service else ""
        item = printable(status.oldest.item)
        ago = duration_text(1000 * max(0, status.oldest.seconds))  # clocks may differ
        yield f"oldest without a result: {item}, sent {ago} ago{said}"
    for code, count in status.failures.items():
        yield f"{count} {printable(code)}"
    if status.retryable:
        yield f"{status.retryable} may succeed if sent again: `outbox retry {job}`"


def cancellation_document(job: str, cancellation: Cancellation) -> dict[str, Any]:
    canceled, too_late = sorted(cancellation.canceled), sorted(cancellation.too_late)
    return {"job": job, "canceled": canceled, "too_late": too_late}


def cancellation_lines(cancellation: Cancellation) -> list[str]:
    late = f", {len(cancellation.too_late)} already run or ended" if cancellation.too_late else ""
    return [f"{len(cancellation.canceled)} canceled{late}"]


def _counts(account: Account) -> Mapping[str, int]:
    return {state.value: count for state, count in account.counts.items()}


def _entry_line(entry: Entry) -> str:
    why = f" ({entry.code}) {printable(entry.message or '')}" if entry.code else ""
    return f"{printable(entry.item)}: {entry.state.value}{why}"
