"""Noting how items ended: in the journal, and to whoever watches."""

import threading
from collections.abc import Callable, Sequence

from truss_outbox.contract.keys import manifest_key

from ..clock import Clock
from ..journal import queries
from ..journal.entries import Entry, Settlement, State
from ..journal.journal import Journal
from ..progress import Event, Progress
from .open_requests import OpenRequest
from .seen_in_bucket import Seen
from .verdicts import may_be_retried


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
        self.planned = self.open = self.done = 0
        self._counts: dict[State, int] = {}
        self._failed = 0
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
            is_news, self._counts = counts != self._counts, counts
            self.planned = counts.get(State.PLANNED, 0)
            self.open = sum(count for state, count in counts.items() if state.is_open)
            self.done = sum(count for state, count in counts.items() if state.is_final)
            self._failed = self.done - counts.get(State.SUCCEEDED, 0)
            if is_news:
                self._tell()

    def succeed(self, seen: Sequence[Seen]) -> None:
        """Their results are there."""
        rows = (
            {"item": one.item, "request_id": one.request_id, "ended_at": committed_at}
            for one, committed_at in seen
        )
        self._journal.write(queries.SUCCEED, rows)
        self._committed([manifest_key(one.key) for one, _ in seen])
        with self._lock:
            for one, _ in seen:
                self._count()
                self._tell(item=one.item, state=State.SUCCEEDED)

    def end(
        self,
        one: Entry | OpenRequest,
        state: State,
        *,
        code: str | None,
        message: str | None,
        retryable: bool | None = None,
    ) -> None:
        """Without a result. `retryable` is None where no record in the bucket says it."""
        settlement = Settlement(
            item=one.item,
            state=state,
            request_id=one.request_id,
            code=code,
            message=message,
            retryable=may_be_retried(state, code) if retryable is None else retryable,
            ended_at=self._clock.now(),
        )
        self._journal.settle_many([settlement])
        with self._lock:
            self._count()
            self._failed += 1
            self._tell(item=one.item, state=state, code=code or "", note=message or "")

    def report_trouble(self, note: str) -> None:
        """Once, however long it lasts; an empty note ends it."""
        with self._lock:
            if note and note != self._trouble:
                self._tell(note=note)
            self._trouble = note

    def _count(self) -> None:
        self.open -= 1
        self.done += 1

    def _tell(
        self, *, item: str | None = None, state: str = "", code: str = "", note: str = ""
    ) -> None:
        event = Event(
            phase="wait",
            done=self.done,
            total=self.planned + self.open + self.done,
            item=item,
            state=state,
            code=code,
            note=note,
            failed=self._failed,
            in_flight=self.open,
        )
        self._progress(event)
