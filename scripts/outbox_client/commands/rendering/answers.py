"""The commands' answers as text and as JSON."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ...fetching.fetch import FetchReport
from ...indexing.build import IndexReport
from ...journal.entries import Entry
from ...journal.jobs import JobSummary
from ...sending.plan import Plan
from ...sending.submit import Submission
from ...text import printable
from .problems import grouped_lines, kind_of


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


def fetch_document(report: FetchReport) -> dict[str, Any]:
    results = [
        {
            "item": result.item,
            "key": result.key,
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


def fetch_lines(report: FetchReport, *, to: str) -> list[str]:
    problems = [
        (
            kind_of("wrong", result.code),
            f"{printable(result.key)}: {printable(result.problem or '')}",
        )
        for result in report.problems
    ]
    whole = len(report.results) - len(problems)
    files = sum(result.downloaded for result in report.results)
    wrong = f", {len(problems)} wrong" if problems else ""
    return [
        *grouped_lines(problems),
        f"{whole} result(s) in {to}{wrong}; {files} file(s) came anew",
    ]


def jobs_lines(jobs: Sequence[JobSummary]) -> list[str]:
    return [
        f"{_time(job.last_submit)}  {printable(job.job)}  {counted(job.counts)}  {job.root}"
        for job in jobs
    ] or ["no job was submitted from here"]


def counted(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "nothing"


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def index_document(report: IndexReport) -> dict[str, Any]:
    return asdict(report)


def index_lines(report: IndexReport) -> list[str]:
    wrong = f", {len(report.problems)} wrong" if report.problems else ""
    added = f"{report.added} result(s) indexed in {len(report.parts)} new file(s)"
    return [
        *(f"{printable(one.key)}: {one.problem}" for one in report.problems),
        f"job {printable(report.job)}: {added}, {report.known} were there{wrong}",
    ]
