"""How a job stands, and ending what has not begun."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.artifacts.errors import InvalidInputError
from scripts.client.api import AsyncApi
from scripts.client.clock import SYSTEM_CLOCK, Clock
from scripts.client.deployment import Deployment
from scripts.client.entries import Entry
from scripts.client.errors import UnknownRequestError
from scripts.client.journal import Journal
from scripts.client.progress import silent
from scripts.client.states import State
from scripts.client.tracking import Tracker


@dataclass(frozen=True, kw_only=True, slots=True)
class JobStatus:
    """The job's items, and what the service says of those still open (`QUEUED`, …), by item."""

    job: str
    entries: list[Entry]
    service: dict[str, str]

    @property
    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for entry in self.entries:
            state = self.service.get(entry.item, "").lower() or entry.state.value
            counts[state] = counts.get(state, 0) + 1
        return counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancellation:
    """Items by what became of the wish; `too_late` ones run or have ended."""

    canceled: list[str]
    too_late: list[str]


def status(journal: Journal, *, deployment: Deployment, clock: Clock = SYSTEM_CLOCK) -> JobStatus:
    """One listing, and a question for each item it does not explain (at most twenty).

    Raises ServiceError, StoreError, JournalError.
    """
    tracker = Tracker(
        journal, deployment=deployment, progress=silent, clock=clock, ask_after_seconds=0
    )
    tracker.look()
    if any(item.verdict for item in tracker.open.values()):
        tracker.look()
    service = {name: item.status for name, item in tracker.open.items() if item.status}
    return JobStatus(job=journal.job, entries=list(journal.entries()), service=service)


def cancel(journal: Journal, items: Sequence[str] = (), *, api: AsyncApi) -> Cancellation:
    """Cancel the given items, or all that are open; only queued ones can be.

    Raises InvalidInputError for an item the job does not have, and ServiceError.
    """
    entries = {entry.item: entry for entry in journal.entries()}
    for item in items:
        if item not in entries:
            raise InvalidInputError("ITEM", f"job {journal.job!r} has no item {item!r}")
    result = Cancellation(canceled=[], too_late=[])
    for item in items or entries:
        entry = entries[item]
        if not entry.state.is_open and not items:
            continue
        if entry.state.is_open and _cancel(entry, api):
            journal.settle(
                item,
                State.CANCELED,
                request_id=entry.request_id,
                code="CANCELED",
                message="you canceled it",
            )
            result.canceled.append(item)
        else:
            result.too_late.append(item)
    return result


def _cancel(entry: Entry, api: AsyncApi) -> bool:
    if entry.request_id is None:
        return False
    try:
        return api.cancel(entry.request_id)
    except UnknownRequestError:
        return False
