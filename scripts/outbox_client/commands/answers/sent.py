"""What is answered of a job that is planned or sent."""

from collections.abc import Iterable, Iterator
from typing import Any

from truss_outbox.contract.text import printable

from ...journal.entries import Entry
from ...sending.detached import Detached
from ...sending.plan import Plan
from ...sending.submit import Submission
from ..progress.totals import grouped_lines


def submission_document(submission: Submission, accepted: Iterable[Entry]) -> dict[str, Any]:
    names = ("item", "key", "request_id")
    return {
        "job": submission.job,
        "accepted": [{name: getattr(one, name) for name in names} for one in accepted],
        "refused": [{"item": one.item, "problem": one.problem} for one in submission.refused],
    }


def submission_lines(submission: Submission) -> list[str]:
    problems = (
        ("refused", f"{printable(one.item)}: {printable(one.problem or '')}")
        for one in submission.refused
    )
    refused = f", {len(submission.refused)} refused" if submission.refused else ""
    last = f"job {printable(submission.job)}: {submission.sent} sent{refused}"
    return [*grouped_lines(problems), last]


def detached_lines(sending: Detached) -> list[str]:
    job = printable(sending.job)
    log = printable(str(sending.log))
    return [
        f"job {job}: process {sending.process} sends {sending.planned:,}; what it says is in {log}",
        f"`outbox wait {job}` and `outbox status {job}` follow it, on any machine",
    ]


def plan_document(plan: Plan) -> dict[str, Any]:
    """Streams nothing: as large as the plan."""
    items = [
        {"item": one.item.name, "key": one.key, "size": one.item.size, "from": one.item.place}
        for one in plan
    ]
    how = {"priority": plan.batch.priority}
    return {"job": plan.batch.job, "items": items, "bytes": plan.size_bytes, **how}


def plan_note(plan: Plan) -> str:
    """What nobody asked for; empty where there is nothing of the kind."""
    if not plan.is_batch_work:
        return ""
    return (
        f"{plan.count:,} items go with priority {plan.batch.priority}, as batch work should;"
        " --priority sets another"
    )


def plan_lines(plan: Plan) -> Iterator[str]:
    """An item a line, and the sum."""
    for one in plan:
        yield f"{one.item.size:>12}  {one.key or '(with the id)'}  {printable(one.item.place)}"
    same = f", {plan.repeated} the same as another" if plan.repeated else ""
    yield f"job {printable(plan.batch.job)}: {plan.count} to send, {plan.size_bytes} bytes{same}"
