"""Canceling requests that have not begun."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import UnknownRequestError
from ..journal.entries import Entry, Settlement, State
from ..journal.journal import Journal
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
    result, canceler = Cancellation(), _Canceler(journal, api, clock)
    named = journal.entries_named(items)
    # First what was not sent: it must not be sent while the others are canceled.
    planned = named if items else journal.entries(states=[State.PLANNED])
    result.canceled.extend(canceler.cancel_planned(planned))
    opened = named if items else journal.latest_sent()
    total = len(named) or sum(n for state, n in journal.counts().items() if state.is_open)
    sent = (entry for entry in opened if entry.state is not State.PLANNED)
    for done, (entry, is_canceled) in enumerate(in_threads(canceler.cancel, sent), start=1):
        (result.canceled if is_canceled else result.too_late).append(entry.item)
        state = State.CANCELED if is_canceled else entry.state
        progress(
            ProgressEvent(phase="cancel", done=done, total=total, item=entry.item, state=state)
        )
    return result


class _Canceler:
    """Safe to use from several threads."""

    def __init__(self, journal: Journal, api: AsyncApi, clock: Clock) -> None:
        self._journal = journal
        self._api = api
        self._clock = clock

    def cancel_planned(self, entries: Iterable[Entry]) -> list[str]:
        items = [entry.item for entry in entries if entry.state is State.PLANNED]
        self._journal.cancel_planned(items, now=self._clock.now())
        return items

    def cancel(self, entry: Entry) -> tuple[Entry, bool]:
        if not entry.state.is_open or entry.request_id is None:
            return entry, False
        try:
            is_canceled = self._api.cancel(entry.request_id)
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
                ended_at=self._clock.now(),
            )
            self._journal.settle(settlement)
        return entry, is_canceled
