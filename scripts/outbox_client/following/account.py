"""How a job's items ended: recorded in the journal, and summed up in its account."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from truss_outbox.contract.errors import StoreError
from truss_outbox.contract.keys import manifest_key

from ..bucket.bucket import Bucket
from ..bucket.records import account_key
from ..clock import Clock
from ..journal.entries import (
    Entry,
    OpenRequest,
    Settlement,
    State,
    StoredResult,
    failed_of,
)
from ..journal.journal import Journal
from ..progress import Progress, ProgressEvent

SCHEMA = "outbox.job/v1"
_ENDS = (State.FAILED, State.EXPIRED, State.CANCELED, State.UNKNOWN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A job's counts by state, and its entries, which iterating reads from the open journal."""

    journal: Journal
    counts: dict[State, int]

    @classmethod
    def of(cls, journal: Journal) -> "Account":
        return cls(journal=journal, counts=journal.counts())

    @property
    def job(self) -> str:
        return self.journal.job

    @property
    def has_ended(self) -> bool:
        return bool(self.counts) and all(state.is_final for state in self.counts)

    @property
    def succeeded(self) -> bool:
        return self.counts.keys() <= {State.SUCCEEDED}

    def __iter__(self) -> Iterator[Entry]:
        return self.journal.entries()

    def not_succeeded(self) -> Iterator[Entry]:
        return self.journal.entries(states=[state for state in State if state != State.SUCCEEDED])


def final_account(journal: Journal, bucket: Bucket, *, clock: Clock, progress: Progress) -> Account:
    """The job's account. Of a job that has ended it is stored in the bucket, over an earlier one.

    Where the bucket refuses it, that is reported as progress and no error: every result is there.
    """
    account = Account.of(journal)
    # Never earlier: readers of the account take it for the end of the job.
    if not account.has_ended:
        return account
    document = json.dumps(account_document(account, now=clock.now()), indent=1)
    try:
        bucket.put(account_key(account.job), document.encode())
    except StoreError as error:
        total = sum(account.counts.values())
        note = f"the job's account could not be stored: {error}"
        progress(ProgressEvent(phase="wait", done=total, total=total, note=note))
    return account


def account_document(account: Account, *, now: float) -> dict[str, Any]:
    names = ("item", "key", "request_id", "attempts", "code", "message", "retryable")
    return {
        "schema": SCHEMA,
        "job": account.job,
        "written_at": datetime.fromtimestamp(now, UTC).isoformat(),
        "total": sum(account.counts.values()),
        "counts": {
            state.value: account.counts.get(state, 0) for state in (State.SUCCEEDED, *_ENDS)
        },
        "not_succeeded": [
            {"state": entry.state.value} | {name: getattr(entry, name) for name in names}
            for entry in account.not_succeeded()
        ],
    }


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


@dataclass(kw_only=True, slots=True)
class Settler:
    """Safe to use from several threads. All raise JournalError.

    `committed` is called with the manifests' paths of the results that were found.
    """

    journal: Journal
    progress: Progress
    clock: Clock
    committed: Callable[[Sequence[str]], None]
    planned: int = 0
    open: int = 0
    done: int = 0
    _counts: dict[State, int] = field(default_factory=dict)
    _failed: int = 0
    _canceled: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _trouble: str = ""

    def refresh(self) -> None:
        """Count anew: other processes may have sent, and settled, more."""
        with self._lock:
            counts = self.journal.counts()
            has_changed, self._counts = counts != self._counts, counts
            self.planned = counts.get(State.PLANNED, 0)
            self.open = sum(count for state, count in counts.items() if state.is_open)
            self.done = sum(count for state, count in counts.items() if state.is_final)
            self._failed = failed_of(counts)
            self._canceled = counts.get(State.CANCELED, 0)
            if has_changed:
                self._report()

    def succeed(self, results: Sequence[StoredResult]) -> None:
        settled = self.journal.succeed(results)
        self.committed([manifest_key(request.key) for request, _ in settled])
        with self._lock:
            for request, _ in settled:
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
            ended_at=self.clock.now(),
        )
        if not self.journal.settle(settlement):
            return  # it was sent again, or its result came after all: `refresh` counts it
        with self._lock:
            self._count()
            self._failed += state.is_failure
            self._canceled += state is State.CANCELED
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
            canceled=self._canceled,
            # What was sent since the last count may have ended already.
            in_flight=max(0, self.open),
        )
        self.progress(event)


def _is_retryable(state: State, code: str) -> bool:
    """Whether sending it again may help, where no failure record says so."""
    if state is State.FAILED:
        return code not in _HOPELESS
    return state in {State.EXPIRED, State.UNKNOWN}
