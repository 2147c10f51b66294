"""How a job's items ended: recorded in the journal, and summed up in its account."""

import hashlib
import itertools
import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from truss_outbox.contract.errors import StoreError
from truss_outbox.contract.keys import manifest_key
from truss_outbox.contract.root import Root

from ..bucket.bucket import Bucket
from ..bucket.records import ProblemsListing, account_key, problems_key
from ..clock import Clock
from ..errors import LocalFileError
from ..journal.entries import (
    Entry,
    OpenRequest,
    Settlement,
    StoredResult,
    failed_of,
)
from ..journal.journal import Journal
from ..journal.states import State
from ..local_files import local_files
from ..progress import Progress, ProgressEvent

MOST_SHOWN = 100
"""Items without a result that an account holds itself; all of them are in an object beside it."""

_SCHEMA, _SCHEMA_OF_SOME = "outbox.job/v1", "outbox.job/v2"
_ENDS = (State.FAILED, State.EXPIRED, State.CANCELED, State.UNKNOWN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A job's counts by state, and its entries, which iterating reads from the open journal.

    `problems` is where those that have not succeeded are stored, if they are.
    """

    journal: Journal
    counts: dict[State, int]
    problems: ProblemsListing | None = None

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
    try:
        # First: an account that names them says that they are there.
        if not account.succeeded:
            account = replace(account, problems=_store_problems(account, bucket))
        document = json.dumps(account_document(account, now=clock.now()), indent=1)
        bucket.put(account_key(account.job), document.encode())
    except (StoreError, LocalFileError) as error:
        total = sum(account.counts.values())
        note = f"the job's account could not be stored: {error}"
        progress(ProgressEvent(phase="wait", done=total, total=total, note=note))
    return account


def _store_problems(account: Account, bucket: Bucket) -> ProblemsListing:
    """Each entry that has not succeeded as a line of JSON, however many. Raises StoreError."""
    digest, count, key = hashlib.sha256(), 0, problems_key(account.job)
    with local_files, tempfile.NamedTemporaryFile(prefix="outbox-problems-") as file:
        for entry in account.not_succeeded():
            line = json.dumps(_problem(entry)).encode() + b"\n"
            digest.update(line)
            file.write(line)
            count += 1
        file.flush()
        bucket.upload(key, Path(file.name))
        return ProblemsListing(
            name=key.rpartition("/")[2],
            uri=Root.parse(bucket.root).uri(key),
            size=file.tell(),
            content_type="application/jsonl",
            sha256=digest.hexdigest(),
            count=count,
        )


def _problem(entry: Entry) -> dict[str, Any]:
    names = ("item", "key", "request_id", "attempts", "code", "message", "retryable")
    return {"state": entry.state.value} | {name: getattr(entry, name) for name in names}


def account_document(account: Account, *, now: float) -> dict[str, Any]:
    """What is stored. Of v1 it has every item that has not succeeded, of v2 the first hundred."""
    total, succeeded = sum(account.counts.values()), account.counts.get(State.SUCCEEDED, 0)
    return {
        "schema": _SCHEMA if total - succeeded <= MOST_SHOWN else _SCHEMA_OF_SOME,
        "job": account.job,
        "written_at": datetime.fromtimestamp(now, UTC).isoformat(),
        "total": total,
        "counts": {
            state.value: account.counts.get(state, 0) for state in (State.SUCCEEDED, *_ENDS)
        },
        "not_succeeded_count": total - succeeded,
        "not_succeeded": [
            _problem(entry) for entry in itertools.islice(account.not_succeeded(), MOST_SHOWN)
        ],
        "problems": account.problems and account.problems.model_dump(),
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
