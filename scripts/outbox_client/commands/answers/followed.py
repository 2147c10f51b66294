"""What is answered of a job that was sent, and of its results."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from truss_outbox.contract.text import printable

from ...following.account import MOST_SHOWN, Account, account_document
from ...journal.entries import DamagedJournal, Entry, JobSummary
from ...journal.states import State
from ...text import counted, duration_text
from ..progress.totals import grouped_lines, kind_of
from .printing import timestamp

if TYPE_CHECKING:
    # Not imported for `run`, which needs none of them.
    from ...following.cancel import Cancellation
    from ...following.status import JobStatus
    from ...indexing.build import IndexReport
    from ...queues.events import ResultEvent


def index_lines(report: "IndexReport") -> list[str]:
    wrong = f", {len(report.problems)} wrong" if report.problems else ""
    added = f"{report.added} result(s) indexed in {len(report.parts)} new file(s)"
    return [
        *(f"{printable(one.key)}: {printable(one.problem)}" for one in report.problems),
        f"job {printable(report.job)}: {added}, {report.known} were there{wrong}",
    ]


def event_document(event: "ResultEvent") -> dict[str, Any]:
    """The record itself, by what it is of."""
    record = event.manifest or event.failure
    told = {} if record is None else record.model_dump(mode="json", by_alias=True)
    return {"event": "failure" if event.manifest is None else "result", "id": event.id, **told}


def event_line(event: "ResultEvent") -> str:
    if event.failure is not None:
        why = f"{event.failure.code}: {printable(event.failure.message)}"
        return f"failure\t{printable(event.key)}\t{why}"
    return f"result\t{printable(event.key)}"


def account_answer(account: Account, *, now: float) -> dict[str, Any]:
    """The account as it is stored, with the counts of what has not ended too."""
    return account_document(account, now=now) | {"counts": account.counts}


def account_lines(account: Account) -> Iterator[str]:
    """What did not succeed, some of each kind, where all of it is, and the counts."""
    problems = account.problems
    all_shown = problems is None or problems.count <= MOST_SHOWN
    yield from grouped_lines(
        (
            (kind_of(entry.state.value, entry.code), _entry_line(entry))
            for entry in account.not_succeeded()
            if entry.state is not State.PLANNED
        ),
        rest="; --json lists all" if all_shown else "",
    )
    if problems is not None and not all_shown:
        yield f"all that did not succeed: {printable(problems.uri)}"
    yield f"job {printable(account.job)}: {counted(account.counts)}"
    if planned := account.counts.get(State.PLANNED):
        yield f"{planned} not sent: `outbox resume {printable(account.job)}` sends them"


def status_document(status: "JobStatus") -> dict[str, Any]:
    oldest = status.oldest
    return {
        "job": status.account.job,
        "counts": status.account.counts,
        "rate_per_second": round(status.rate, 3),
        "seconds_left": None if status.seconds_left is None else round(status.seconds_left),
        "queue": status.queue and asdict(status.queue),
        "oldest": oldest and asdict(oldest) | {"seconds": round(oldest.seconds, 1)},
        "failures": status.failures,
        "senders": [
            {name: getattr(one, name) for name in ("sender", "sent", "planned")}
            for one in status.senders
        ],
    }


def status_lines(status: "JobStatus") -> Iterator[str]:
    job = printable(status.account.job)
    yield f"job {job}: {counted(status.account.counts)}"
    for one in status.senders:
        yield f"sender {one.sender} goes on: {one.sent:,} of {one.planned:,} sent"
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


def cancellation_document(job: str, cancellation: "Cancellation") -> dict[str, Any]:
    canceled, too_late = sorted(cancellation.canceled), sorted(cancellation.too_late)
    return {"job": job, "canceled": canceled, "too_late": too_late}


def cancellation_lines(cancellation: "Cancellation") -> list[str]:
    late = f", {len(cancellation.too_late)} already run or ended" if cancellation.too_late else ""
    return [f"{len(cancellation.canceled)} canceled{late}"]


def _entry_line(entry: Entry) -> str:
    why = f" ({printable(entry.code)}) {printable(entry.message or '')}" if entry.code else ""
    return f"{printable(entry.item)}: {entry.state.value}{why}"


def jobs_document(jobs: Iterable[JobSummary], damaged: Iterable[DamagedJournal]) -> dict[str, Any]:
    return {
        "jobs": [asdict(job) | {"last_submit": _time(job.last_submit)} for job in jobs],
        "damaged": [asdict(one) for one in damaged],
    }


def jobs_lines(jobs: Sequence[JobSummary]) -> list[str]:
    return [
        f"{_time(job.last_submit)}  {printable(job.job)}  {counted(job.counts)}"
        f"  {printable(job.bucket)}"
        for job in jobs
    ] or ["no job was submitted from here"]


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else timestamp(seconds)
