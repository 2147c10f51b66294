"""The commands' answers as text and as JSON."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from scripts.client.accounting import Cancellation, JobStatus
from scripts.client.entries import Entry
from scripts.client.fetching import FetchReport
from scripts.client.jobs import JobSummary
from scripts.client.planning import Plan
from scripts.client.problems import grouped_lines, kind_of
from scripts.client.states import State
from scripts.client.submitting import Submission


def as_json(document: dict[str, Any]) -> str:
    """ASCII, so that no terminal or pipe can spoil it."""
    return json.dumps(document, indent=1)


def submission_document(submission: Submission, accepted: Iterable[Entry]) -> dict[str, Any]:
    names = ("item", "key", "request_id")
    return {
        "job": submission.job,
        "accepted": [{name: getattr(one, name) for name in names} for one in accepted],
        "refused": [{"item": one.item, "problem": one.problem} for one in submission.refused],
    }


def plan_document(plan: Plan) -> dict[str, Any]:
    """Streams nothing: as large as the plan."""
    items = [
        {"item": one.item.name, "key": one.key, "size": one.item.size, "from": one.item.place}
        for one in plan
    ]
    return {"job": plan.batch.job, "items": items, "bytes": plan.size_bytes}


def plan_lines(plan: Plan) -> Iterator[str]:
    """An item a line, and the sum."""
    for one in plan:
        yield f"{one.item.size:>12}  {one.key or '(with the id)'}  {printable(one.item.place)}"
    same = f", {plan.repeated} the same as another" if plan.repeated else ""
    yield f"job {printable(plan.batch.job)}: {plan.count} to send, {plan.size_bytes} bytes{same}"


def entries_document(job: str, entries: Sequence[Entry]) -> dict[str, Any]:
    names = ("item", "key", "request_id", "code", "message")
    items = [
        {name: getattr(entry, name) for name in names} | {"state": entry.state.value}
        for entry in entries
    ]
    return {"job": job, "counts": _counts(entries), "items": items}


def status_document(status: JobStatus) -> dict[str, Any]:
    document = entries_document(status.job, status.entries)
    for item in document["items"]:
        item["service"] = status.service.get(item["item"])
    return document | {"counts": status.counts}


def fetch_document(report: FetchReport) -> dict[str, Any]:
    results = [
        {
            "item": result.item,
            "folder": str(result.folder),
            "files": result.files,
            "downloaded": result.downloaded,
            "downloaded_bytes": result.downloaded_bytes,
            "code": result.code,
            "problem": result.problem,
        }
        for result in report.results
    ]
    return {"job": report.job, "results": results}


def cancellation_document(job: str, cancellation: Cancellation) -> dict[str, Any]:
    return {"job": job, "canceled": cancellation.canceled, "too_late": cancellation.too_late}


def jobs_document(jobs: Iterable[JobSummary]) -> dict[str, Any]:
    return {
        "jobs": [
            {
                "job": job.job,
                "root": job.root,
                "last_submit": _time(job.last_submit),
                "counts": {state.value: count for state, count in job.counts.items()},
            }
            for job in jobs
        ]
    }


def submission_lines(submission: Submission) -> list[str]:
    problems = (("refused", f"{printable(one.item)}: {one.problem}") for one in submission.refused)
    refused = f", {len(submission.refused)} refused" if submission.refused else ""
    last = f"job {printable(submission.job)}: {submission.sent} sent{refused}"
    return [*grouped_lines(problems), last]


def entries_lines(job: str, entries: Sequence[Entry]) -> list[str]:
    """What did not succeed, some of each kind, and the counts."""
    problems = (
        (kind_of(entry.state.value, entry.code), _entry_line(entry))
        for entry in entries
        if entry.state is not State.SUCCEEDED
    )
    return [*grouped_lines(problems), f"job {printable(job)}: {_sum(_counts(entries))}"]


def status_lines(status: JobStatus) -> list[str]:
    lines = entries_lines(status.job, [entry for entry in status.entries if entry.code])
    return [*lines[:-1], f"job {printable(status.job)}: {_sum(status.counts)}"]


def fetch_lines(report: FetchReport, *, to: str) -> list[str]:
    problems = [
        (kind_of("wrong", result.code), f"{printable(result.item)}: {result.problem}")
        for result in report.problems
    ]
    whole = len(report.results) - len(problems)
    files = sum(result.downloaded for result in report.results)
    wrong = f", {len(problems)} wrong" if problems else ""
    return [
        *grouped_lines(problems),
        f"{whole} result(s) in {to}{wrong}; {files} file(s) came anew",
    ]


def cancellation_lines(cancellation: Cancellation) -> list[str]:
    late = f", {len(cancellation.too_late)} already run or ended" if cancellation.too_late else ""
    return [f"{len(cancellation.canceled)} canceled{late}"]


def jobs_lines(jobs: Sequence[JobSummary]) -> list[str]:
    return [
        f"{_time(job.last_submit)}  {printable(job.job)}  {_sum(job.counts)}  {job.root}"
        for job in jobs
    ] or ["no job was submitted from here"]


def printable(text: str) -> str:
    """`text` with everything escaped that could move a terminal's cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _entry_line(entry: Entry) -> str:
    why = f" ({entry.code}) {printable(entry.message or '')}" if entry.code else ""
    return f"{printable(entry.item)}: {entry.state.value}{why}"


def _counts(entries: Iterable[Entry]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.state.value] = counts.get(entry.state.value, 0) + 1
    return counts


def _sum(counts: dict[Any, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "nothing"


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
