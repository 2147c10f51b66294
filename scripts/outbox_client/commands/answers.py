"""The commands' answers as text and as JSON."""

import contextlib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from truss_outbox.contract.text import printable

from ..bucket.foreign import ForeignObjects
from ..fetching.report import FetchReport
from ..following.account import MOST_SHOWN, Account, account_document
from ..journal.entries import DamagedJournal, Entry, JobSummary, State
from ..text import counted, duration_text
from . import exit_codes
from .progress.totals import grouped_lines, kind_of

if TYPE_CHECKING:
    # Not imported for the commands that need none of them.
    from ..following.cancel import Cancellation
    from ..following.status import JobStatus
    from ..indexing.build import IndexReport
    from ..queues.events import ResultEvent
    from ..sending.detached import Detached
    from ..sending.plan import Plan
    from ..sending.submit import Submission


def answer(
    as_json: bool,
    document: dict[str, Any],
    lines: Iterable[str],
    *,
    failed: bool = False,
    reason: str = "",
    foreign: ForeignObjects | None = None,
) -> None:
    """Print a command's answer, the document as JSON or the lines; where it `failed`, end by it.

    `reason` says why there is nothing: on stderr, whose lines no program reads, or in the document.
    The document has what was `foreign`, too; beside the lines, `named` does it.
    """
    if reason and not as_json:
        say(printable(reason), err=True)
    document |= {"reason": reason} if reason else {}
    document |= foreign_document(foreign) if foreign is not None else {}
    parts = _json_texts(document) if as_json else (f"{line}\n" for line in lines)
    # It may be of any length: never all of it is in memory.
    while some := "".join(itertools.islice(parts, _PARTS_AT_ONCE)):
        say(some, end="")
    if failed:
        raise typer.Exit(exit_codes.SOME_FAILED)


_PARTS_AT_ONCE = 1000


def say(text: str, *, err: bool = False, end: str = "\n") -> None:
    """Print one line or several, whether anybody reads them or not: all that a command prints goes
    through here.

    A name in it is made `printable` where the line is made, so that it cannot look like a line of
    its own. What is forgotten there cannot move the terminal's cursor all the same.
    """
    with contextlib.suppress(BrokenPipeError):
        typer.echo(printable(text, keep="\n\t") + end, err=err, nl=False)


@dataclass(frozen=True, slots=True)
class Streamed:
    """A list of an answer whose items are made when they are printed, one after the other."""

    items: Iterable[Any]


_ENCODER = json.JSONEncoder()


def _json_texts(document: dict[str, Any]) -> Iterator[str]:
    """As `json_text`, and a line for each streamed item."""
    before = "{"
    for name, value in document.items():
        yield f"{before}\n {json.dumps(name)}: "
        before = ","
        if isinstance(value, Streamed):
            yield "["
            for number, text in enumerate(map(_ENCODER.encode, value.items)):
                yield f"{',' if number else ''}\n  {text}"
            yield "\n ]"
        else:
            yield json.dumps(value, indent=1).replace("\n", "\n ")
    yield "\n}\n" if document else "{}\n"


_FOREIGN_SHOWN = 10


@contextlib.contextmanager
def named(foreign: ForeignObjects, *, as_json: bool) -> Iterator[ForeignObjects]:
    """However the block ends, what was foreign is on stderr, or in the JSON that it answered."""
    has_answered = False
    try:
        yield foreign
        has_answered = True
    except typer.Exit:
        has_answered = True
        raise
    finally:
        if not (as_json and has_answered):
            for line in foreign_lines(foreign):
                say(line, err=True)


def foreign_lines(foreign: ForeignObjects) -> Iterator[str]:
    """The first few, and how many more there are."""
    for one in itertools.islice(foreign, _FOREIGN_SHOWN):
        yield f"passed over: {printable(one.key)}: {printable(one.problem)}"
    if len(foreign) > _FOREIGN_SHOWN:
        yield f"and {len(foreign) - _FOREIGN_SHOWN:,} more passed over; --json lists them"


def foreign_document(foreign: ForeignObjects) -> dict[str, Any]:
    return {"foreign": {"count": len(foreign), "objects": [asdict(one) for one in foreign]}}


def timestamp(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def json_text(document: dict[str, Any]) -> str:
    """ASCII, so that no terminal or pipe can spoil it."""
    return json.dumps(document, indent=1)


def submission_document(submission: "Submission", accepted: Iterable[Entry]) -> dict[str, Any]:
    names = ("item", "key", "request_id")
    return {
        "job": submission.job,
        "accepted": [{name: getattr(one, name) for name in names} for one in accepted],
        "refused": [{"item": one.item, "problem": one.problem} for one in submission.refused],
    }


def plan_document(plan: "Plan") -> dict[str, Any]:
    """Streams nothing: as large as the plan."""
    items = [
        {"item": one.item.name, "key": one.key, "size": one.item.size, "from": one.item.place}
        for one in plan
    ]
    how = {"priority": plan.batch.priority}
    return {"job": plan.batch.job, "items": items, "bytes": plan.size_bytes, **how}


def plan_note(plan: "Plan") -> str:
    """What nobody asked for; empty where there is nothing of the kind."""
    if not plan.is_batch_work:
        return ""
    return (
        f"{plan.count:,} items go with priority {plan.batch.priority}, as batch work should;"
        " --priority sets another"
    )


def plan_lines(plan: "Plan") -> Iterator[str]:
    """An item a line, and the sum."""
    for one in plan:
        yield f"{one.item.size:>12}  {one.key or '(with the id)'}  {printable(one.item.place)}"
    same = f", {plan.repeated} the same as another" if plan.repeated else ""
    yield f"job {printable(plan.batch.job)}: {plan.count} to send, {plan.size_bytes} bytes{same}"


def fetch_document(report: FetchReport) -> dict[str, Any]:
    """Its results are read from disk when it is printed."""
    results = ({"folder": one.pop("place")} | one for one in report.results.documents())
    return {"job": report.job, "results": Streamed(results)}


def jobs_document(jobs: Iterable[JobSummary], damaged: Iterable[DamagedJournal]) -> dict[str, Any]:
    return {
        "jobs": [asdict(job) | {"last_submit": _time(job.last_submit)} for job in jobs],
        "damaged": [asdict(one) for one in damaged],
    }


def submission_lines(submission: "Submission") -> list[str]:
    problems = (
        ("refused", f"{printable(one.item)}: {printable(one.problem or '')}")
        for one in submission.refused
    )
    refused = f", {len(submission.refused)} refused" if submission.refused else ""
    last = f"job {printable(submission.job)}: {submission.sent} sent{refused}"
    return [*grouped_lines(problems), last]


def detached_lines(sending: "Detached") -> list[str]:
    job = printable(sending.job)
    log = printable(str(sending.log))
    return [
        f"job {job}: process {sending.process} sends {sending.planned:,}; what it says is in {log}",
        f"`outbox wait {job}` and `outbox status {job}` follow it, on any machine",
    ]


def fetch_lines(report: FetchReport, *, to: str) -> list[str]:
    problems = [
        (
            kind_of("wrong", result.code),
            f"{printable(result.key)}: {printable(result.problem or '')}",
        )
        for result in report.problems
    ]
    wrong = f", {report.failed} wrong" if problems else ""
    return [
        *grouped_lines(problems),
        f"{report.whole} result(s) in {printable(to)}{wrong}; {report.files} file(s) came anew",
    ]


def jobs_lines(jobs: Sequence[JobSummary]) -> list[str]:
    return [
        f"{_time(job.last_submit)}  {printable(job.job)}  {counted(job.counts)}"
        f"  {printable(job.bucket)}"
        for job in jobs
    ] or ["no job was submitted from here"]


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else timestamp(seconds)


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
