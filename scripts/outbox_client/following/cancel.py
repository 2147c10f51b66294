"""Canceling requests that have not begun."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import UnknownRequestError
from ..journal.entries import Entry, Settlement
from ..journal.journal import Journal
from ..journal.states import State
from ..progress import Progress, ProgressEvent, silent
from ..service.api import AsyncApi
from ..threads import in_threads


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancellation:
    """The items that were canceled, and those that run already or have ended."""

    canceled: list[str] = field(default_factory=list)
    too_late: list[str] = field(default_factory=list)


def cancel(
    journal: Journal,
    items: Sequence[str] = (),
    *,
    api: AsyncApi,
    progress: Progress = silent,
    clock: Clock = SYSTEM_CLOCK,
) -> Cancellation:
    """Cancel the given items, or all that have not ended; what runs already goes on.

    Planned items are not sent any more. The latest requests go first: the service comes to them
    last. Raises InvalidInputError for an item the job does not have, ServiceError and JournalError;
    canceling again then goes on.
    """
    result = Cancellation()
    named = journal.entries_named(items)
    # First what was not sent: it must not be sent while the others are canceled.
    planned = named if items else journal.entries(states=[State.PLANNED])
    result.canceled.extend(entry.item for entry in planned if entry.state is State.PLANNED)
    journal.cancel_planned(result.canceled, now=clock.now())
    opened = named if items else journal.latest_sent()
    total = len(named) or sum(n for state, n in journal.counts().items() if state.is_open)
    sent = (entry for entry in opened if entry.state is not State.PLANNED)
    answers = in_threads(partial(_cancel, journal, api, clock), sent)
    for done, (entry, is_canceled) in enumerate(answers, start=1):
        (result.canceled if is_canceled else result.too_late).append(entry.item)
        state = State.CANCELED if is_canceled else entry.state
        progress(
            ProgressEvent(phase="cancel", done=done, total=total, item=entry.item, state=state)
        )
    return result


def _cancel(journal: Journal, api: AsyncApi, clock: Clock, entry: Entry) -> tuple[Entry, bool]:
    """And whether it is canceled now. Called in several threads."""
    if not entry.state.is_open or entry.request_id is None:
        return entry, False
    try:
        is_canceled = api.cancel(entry.request_id)
    except UnknownRequestError:
        is_canceled = False  # it has ended so long ago that the service forgot it
    if is_canceled:
        settlement = Settlement(
            item=entry.item,
            state=State.CANCELED,
            request_id=entry.request_id,
            code="CANCELED",
            message="you canceled it",
            retryable=False,
            ended_at=clock.now(),
        )
        journal.settle(settlement)
    return entry, is_canceled
