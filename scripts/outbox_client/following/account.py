"""What became of a job's items, and its final account in the bucket."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from truss_outbox.contract.errors import StoreError

from ..bucket.bucket import Bucket
from ..bucket.records import account_key
from ..clock import Clock
from ..journal.entries import Entry, State
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


def write_account(account: Account, bucket: Bucket, *, clock: Clock, progress: Progress) -> None:
    """Store the account of a job that has ended in the bucket, over an earlier one.

    Where the bucket refuses it, that is reported as progress and no error: every result is there.
    """
    # Never earlier: readers of the account take it for the end of the job.
    if not account.has_ended:
        return
    key = account_key(account.job)
    document = json.dumps(account_document(account, now=clock.now()), indent=1)
    try:
        bucket.put(key, document.encode())
    except StoreError as error:
        total = sum(account.counts.values())
        note = f"the job's account could not be stored: {error}"
        progress(ProgressEvent(phase="wait", done=total, total=total, note=note))


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
