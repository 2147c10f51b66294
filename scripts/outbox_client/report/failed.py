"""What failed, by code, and what was canceled; on disk while it is counted, so that any number of
them fits."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from truss_outbox.contract.errors import (
    CorruptArtifactError,
    ManifestError,
    NotFoundError,
    ObjectTooLargeError,
    OutboxError,
)

from ..bucket.bucket import Bucket
from ..bucket.records import ProblemsListing, account_key, problems_key, verified_lines
from ..text import in_utc

_CREATE = """
CREATE TABLE failed (
    key TEXT PRIMARY KEY, item TEXT, code TEXT, message TEXT, retryable INTEGER, at TEXT,
    canceled INTEGER
) WITHOUT ROWID
"""
_ADD = """
INSERT INTO failed VALUES (:key, :item, :code, :message, :retryable, :at, :canceled)
ON CONFLICT (key) DO UPDATE SET
    item = excluded.item, code = excluded.code, message = excluded.message,
    retryable = excluded.retryable, at = excluded.at, canceled = excluded.canceled
WHERE excluded.at > at
"""
_GROUPS = """
SELECT code, COUNT(*) AS count, MAX(retryable) AS retryable FROM failed WHERE NOT canceled
GROUP BY code ORDER BY count DESC, code LIMIT 100
"""
_EXAMPLES = """
SELECT item, message FROM failed WHERE code = :code AND NOT canceled ORDER BY item LIMIT :examples
"""
EXAMPLES = 20
_LONGEST = {"item": 300, "code": 60, "message": 600}  # characters


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """A request without a result: the last reason there is for it. `at` sorts as text."""

    key: str
    item: str
    code: str
    message: str
    retryable: bool | None = None
    at: str = ""
    canceled: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """`examples` are pairs of item and message; `retryable` where a record says so."""

    code: str
    count: int
    retryable: bool | None
    examples: list[tuple[str, str]]

    @property
    def more(self) -> int:
        return self.count - len(self.examples)


class FailedRequests:
    """One row per key, in a temporary file that SQLite removes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.recovered = 0

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Self]:
        # The empty name: a database of this connection's own, on disk once it outgrows the cache.
        with closing(sqlite3.connect("", isolation_level=None)) as connection:
            connection.execute(_CREATE)
            yield cls(connection)

    def add(self, failed: Failed) -> None:
        """The latest reason for a key stays."""
        row = {name: getattr(failed, name) for name in Failed.__slots__}
        row |= {name: row[name][:most] for name, most in _LONGEST.items()}
        self._connection.execute(_ADD, row)

    def succeeded(self, key: str) -> None:
        """There is a result after all."""
        delete = "DELETE FROM failed WHERE key = ? RETURNING NOT canceled"
        self.recovered += sum(failed for (failed,) in self._connection.execute(delete, (key,)))

    def count(self, *, canceled: bool = False) -> int:
        count = "SELECT COUNT(*) FROM failed WHERE canceled = ?"
        return int(self._connection.execute(count, (canceled,)).fetchone()[0])

    def groups(self) -> list[Group]:
        """The largest first, at most a hundred."""
        return [
            Group(
                code=code,
                count=count,
                retryable=None if retryable is None else bool(retryable),
                examples=self._examples(code),
            )
            for code, count, retryable in self._connection.execute(_GROUPS).fetchall()
        ]

    def _examples(self, code: str) -> list[tuple[str, str]]:
        row = {"code": code, "examples": EXAMPLES}
        return self._connection.execute(_EXAMPLES, row).fetchall()


_REMEDIES = {
    "INVALID_INPUT": "The request can never work as it is: each message names the field and what"
    " to change. Send those items again, corrected.",
    "KEY_CONFLICT": "The item's key holds the result of a different input, or of another version"
    " of the model. Send it under another job or item; nothing was overwritten.",
    "INFERENCE_ERROR": "The model failed on it, and again when it was repeated. The model's log has"
    " the place, under the record's traceback_digest.",
    "INVALID_OUTPUTS": "What the inference returned cannot be stored: the message says what. Once"
    " the model is corrected and deployed, send the items again.",
    "DOCUMENT_UNAVAILABLE": "The host of the document's address did not deliver. Once it answers,"
    " send the items again.",
    "STORE_UNAVAILABLE": "The bucket was away longer than the model waits. Send the items again.",
    "STORE_ACCESS_DENIED": "The model may not write to the bucket: `outbox policy --for writer`"
    " prints what it needs. Then send the items again.",
    "STORE_ERROR": "The bucket refused: see the message, and `outbox doctor`.",
    "REFUSED": "The service did not take the request: the message says why.",
    "NOT_SENT": "It is not known whether the request arrived. Send the job again: what is there"
    " already is not computed twice.",
    "EXPIRED": "It waited in the queue longer than allowed. Send it again, with a longer"
    " --max-time-in-queue or more replicas.",
    "FORGOTTEN": "The service no longer knows the request, and no result came. Send it again.",
}


def remedy(code: str, *, retryable: bool | None) -> str:
    if code in _REMEDIES:
        return _REMEDIES[code]
    if retryable:
        return "The same request may succeed later: send the items again."
    return "See the messages."


_LARGEST_BYTES = 64 << 20  # of an account that holds all of them itself, as it once did
_LOOKS = 3
_CANCELED = "canceled"  # an item's `state` in an account


class _Item(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    state: str
    item: str
    key: str | None = None
    code: str | None = None
    message: str | None = None
    retryable: bool | None = None


class StoredAccount(BaseModel):
    """`jobs/<job>.json`: how the items of the job ended, as its sender wrote it.

    Where it names `problems`, all of `not_succeeded` are there.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    schema_: Literal["outbox.job/v1", "outbox.job/v2"] = Field(alias="schema")
    job: str
    written_at: datetime
    total: int
    counts: dict[str, int]
    not_succeeded: list[_Item]
    problems: ProblemsListing | None = None

    def without_result(self, bucket: Bucket) -> Iterator[Failed]:
        """All of them. Raises CorruptArtifactError before the first one where an account is being
        written anew, ManifestError for a line that is none, and StoreError."""
        return map(self._failed, self.not_succeeded if self.problems is None else self._all(bucket))

    def _all(self, bucket: Bucket) -> Iterator[_Item]:
        assert self.problems is not None
        path = problems_key(self.job)
        for line in verified_lines(bucket, path, self.problems):
            try:
                yield _Item.model_validate_json(line)
            except ValidationError as error:
                raise ManifestError("a line of the account is no item") from error

    def _failed(self, one: _Item) -> Failed:
        return Failed(
            key=one.key or f"item {one.item}",
            item=one.item,
            code=one.code or one.state.upper(),
            message=one.message or "",
            retryable=one.retryable,
            at=in_utc(self.written_at).isoformat(),
            canceled=one.state == _CANCELED,
        )


def take_account(bucket: Bucket, job: str, failed: FailedRequests) -> StoredAccount | None:
    """The job's account, if there is one, whose items are added to `failed`. Raises StoreError."""
    problem: OutboxError | None = None
    for _ in range(_LOOKS):
        account = _read_account(bucket, job)
        try:
            for one in account.without_result(bucket) if account else ():
                failed.add(one)
        # It may have been written anew since it was read.
        except (CorruptArtifactError, NotFoundError, ManifestError) as error:
            problem = error
        else:
            return account
    assert account is not None
    bucket.foreign.add(problems_key(job), problem or "")
    for one in account.model_copy(update={"problems": None}).without_result(bucket):
        failed.add(one)
    return account


def _read_account(bucket: Bucket, job: str) -> StoredAccount | None:
    """None where there is none that can be read. Raises StoreError."""
    path = account_key(job)
    try:
        account = StoredAccount.model_validate_json(bucket.get(path, max_bytes=_LARGEST_BYTES))
    except NotFoundError:
        return None
    except ObjectTooLargeError as error:
        bucket.foreign.add(path, error)
        return None
    except ValidationError:
        bucket.foreign.add(path, "is no account that this version can read")
        return None
    if account.job != job:
        bucket.foreign.add(path, "is the account of another job")
        return None
    return account
