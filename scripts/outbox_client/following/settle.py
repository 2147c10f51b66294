"""Recording how items ended: in the journal, and as progress."""

import threading
from collections.abc import Callable, Sequence

from truss_outbox.contract.keys import manifest_key

from ..clock import Clock
from ..journal.entries import Entry, OpenRequest, Settlement, State, StoredResult
from ..journal.journal import Journal
from ..progress import Progress, ProgressEvent

_HOPELESS = frozenset(
    {
        "ASYNC_REQUEST_NOT_SUPPORTED",
        "INVALID_INPUT",
        "KEY_CONFLICT",
        "MODEL_DOES_NOT_EXIST",
        "MODEL_INVALID_INPUT",
        "REFUSED",
    }
)
"""Codes of failures that the same request meets every time."""


class Settler:
    """Safe to use from several threads. All raise JournalError.

    `committed` is called with the manifests' paths of the results that were found.
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
        """Count anew: other processes may have sent, and settled, more."""
        with self._lock:
            counts = self._journal.counts()
            has_changed, self._counts = counts != self._counts, counts
            self.planned = counts.get(State.PLANNED, 0)
            self.open = sum(count for state, count in counts.items() if state.is_open)
            self.done = sum(count for state, count in counts.items() if state.is_final)
            self._failed = self.done - counts.get(State.SUCCEEDED, 0)
            if has_changed:
                self._report()

    def succeed(self, results: Sequence[StoredResult]) -> None:
        self._journal.succeed(results)
        self._committed([manifest_key(request.key) for request, _ in results])
        with self._lock:
            for request, _ in results:
                self._count()
                self._report(item=request.item, state=State.SUCCEEDED)

    def end(
        self,
        one: Entry | OpenRequest,
        state: State,
        *,
        code: str,
        message: str,
        retryable: bool | None = None,
    ) -> None:
        """Without a result. `retryable` is None where no record in the bucket says it."""
        settlement = Settlement(
            item=one.item,
            state=state,
            request_id=one.request_id,
            code=code,
            message=message,
            retryable=_is_retryable(state, code) if retryable is None else retryable,
            ended_at=self._clock.now(),
        )
        self._journal.settle_many([settlement])
        with self._lock:
            self._count()
            self._failed += 1
            self._report(item=one.item, state=state, code=code, note=message)

    def report_trouble(self, note: str) -> None:
        """Report a problem once, however long it lasts."""
        with self._lock:
            if note != self._trouble:
                self._report(note=note)
            self._trouble = note

    def _count(self) -> None:
        self.open -= 1
        self.done += 1

    def _report(
        self, *, item: str | None = None, state: str = "", code: str = "", note: str = ""
    ) -> None:
        event = ProgressEvent(
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


def _is_retryable(state: State, code: str) -> bool:
    """Whether sending it again may help, where no failure record says so."""
    match state:
        case State.FAILED:
            return code not in _HOPELESS
        case State.EXPIRED | State.UNKNOWN:
            return True
        case _:
            return False
