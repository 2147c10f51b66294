"""Noting how items ended: in the journal, and to whoever watches."""

import threading
from collections.abc import Callable, Sequence

from model.artifacts.keys import manifest_key
from scripts.client.clock import Clock
from scripts.client.entries import Entry, Settlement
from scripts.client.journal import Journal
from scripts.client.progress import Event, Progress
from scripts.client.sightings import Seen
from scripts.client.states import State
from scripts.client.verdicts import may_be_retried


class Settler:
    """Safe to use from several threads. All raise JournalError.

    `committed` is told the manifests' paths of the results that were found, some at a time.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        progress: Progress,
        clock: Clock,
        committed: Callable[[Sequence[str]], None],
    ) -> None:
        self.counts = journal.counts()
        self._journal = journal
        self._progress = progress
        self._clock = clock
        self._committed = committed
        self._lock = threading.Lock()
        self._trouble = ""

    def refresh(self) -> None:
        """Others may have sent, and settled, more."""
        with self._lock:
            counts = self._journal.counts()
            if counts != self.counts:
                self.counts = counts
                self._tell()

    @property
    def open(self) -> int:
        return sum(count for state, count in self.counts.items() if state.is_open)

    @property
    def planned(self) -> int:
        return self.counts.get(State.PLANNED, 0)

    @property
    def done(self) -> int:
        return sum(count for state, count in self.counts.items() if state.is_final)

    def succeed(self, seen: Sequence[Seen]) -> None:
        settlements = [
            Settlement(
                item=one.entry.item,
                state=State.SUCCEEDED,
                request_id=one.entry.request_id,
                ended_at=one.committed_at.timestamp(),
            )
            for one in seen
        ]
        self._journal.settle_many(settlements)
        self._committed([manifest_key(one.entry.key or "") for one in seen])
        with self._lock:
            for one in seen:
                self._count(one.entry, State.SUCCEEDED)

    def end(
        self,
        entry: Entry,
        state: State,
        *,
        code: str | None,
        message: str | None,
        retryable: bool | None = None,
    ) -> None:
        """Without a result. `retryable` is None where no record in the bucket says it."""
        settlement = Settlement(
            item=entry.item,
            state=state,
            request_id=entry.request_id,
            code=code,
            message=message,
            retryable=may_be_retried(state, code) if retryable is None else retryable,
            ended_at=self._clock.now(),
        )
        self._journal.settle_many([settlement])
        with self._lock:
            self._count(entry, state, code=code, note=message)

    def report_trouble(self, note: str) -> None:
        """Once, however long it lasts; an empty note ends it."""
        with self._lock:
            if note and note != self._trouble:
                self._tell(note=note)
            self._trouble = note

    def _count(
        self, entry: Entry, state: State, *, code: str | None = None, note: str | None = None
    ) -> None:
        self.counts[entry.state] = self.counts.get(entry.state, 0) - 1
        self.counts[state] = self.counts.get(state, 0) + 1
        self._tell(item=entry.item, state=state, code=code or "", note=note or "")

    def _tell(
        self, *, item: str | None = None, state: str = "", code: str = "", note: str = ""
    ) -> None:
        event = Event(
            phase="wait",
            done=self.done,
            total=sum(self.counts.values()),
            item=item,
            state=state,
            code=code,
            note=note,
            failed=self.done - self.counts.get(State.SUCCEEDED, 0),
            in_flight=self.open,
        )
        self._progress(event)
