"""What was deleted of a job: the results that do not count any more, whatever still shows them.

A deletion first creates `deletions/job=<job>/<id>.jsonl`, with a line for each result: a digest of
its key, and its attempt. From then on no reader of the index gives these results, and all else that
belongs to them may go, now or by the next deletion, where this one is killed. It stays for good:
who indexed the job meanwhile may write a row of what was deleted later on. A result that is made
anew under the key has another attempt, and counts. The digests name nobody's documents.
"""

import contextlib
import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from truss_outbox.contract.errors import AccessDeniedError
from truss_outbox.contract.keys import short_segment

from .bucket import Bucket
from .listed import StoredObject

SCHEMA = "outbox.deletion/v1"

_NAME = re.compile(r"[0-9a-f]{12}\.jsonl\Z")
_DIGITS = 32  # 128 bits: nobody finds two keys that share them.
_SHOWN_DIGITS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Tombstones:
    """The results of a job that were deleted, and when, by the bucket's clock, each key last was.

    `names` are the objects that say so.
    """

    names: frozenset[str] = frozenset()
    attempts: frozenset[tuple[str, str]] = frozenset()
    keys: Mapping[str, datetime] = field(default_factory=dict)

    def has(self, key: str, attempt: str) -> bool:
        """Whether this very result was deleted."""
        return bool(self.attempts) and (digest(key), attempt) in self.attempts

    def deleted_at(self, key: str) -> datetime | None:
        """When the key was deleted last; what was stored under it later is not meant."""
        return self.keys.get(digest(key)) if self.keys else None

    @property
    def id(self) -> str:
        """Another for every set of them; empty for none."""
        text = "\n".join(sorted(self.names))
        return hashlib.sha256(text.encode()).hexdigest()[:_SHOWN_DIGITS] if text else ""

    def with_pairs(
        self, pairs: Iterable[tuple[str, str]], *, at: datetime, name: str | None = None
    ) -> Self:
        """`pairs` are digests and attempts, these empty where a key had no result."""
        pairs = list(pairs)
        keys = dict(self.keys)
        for key, _ in pairs:
            keys[key] = max(keys.get(key, at), at)
        return type(self)(
            names=self.names | ({name} if name else set()),
            attempts=self.attempts.union(pair for pair in pairs if pair[1]),
            keys=keys,
        )


NONE = Tombstones()


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:_DIGITS]


def read_tombstones(bucket: Bucket, job: str, *, known: Tombstones = NONE) -> Tombstones:
    """Those that are there now; what is in `known` is not read again.

    What is none of them is foreign to the bucket. Raises StoreError.
    """
    found = known
    for one in bucket.objects(_folder(job)):
        if one.key not in known.names:
            found = _with(found, bucket, one)
    return found


def readable_tombstones(bucket: Bucket, job: str, *, known: Tombstones = NONE) -> Tombstones:
    """As `read_tombstones`, for who reads: none where they may not be read.

    A policy of before there were any does not let them; once a deletion has ended, its rows are
    gone all the same.
    """
    with contextlib.suppress(AccessDeniedError):
        return read_tombstones(bucket, job, known=known)
    return known


def write_tombstone(bucket: Bucket, job: str, pairs: Iterable[tuple[str, str]]) -> None:
    """From here on the results with these keys and attempts do not count. Raises StoreError."""
    lines = [json.dumps({"schema": SCHEMA, "job": job})]
    lines += [json.dumps([digest(key), attempt]) for key, attempt in pairs]
    key = f"{_folder(job)}{secrets.token_hex(6)}.jsonl"
    bucket.create(key, "\n".join([*lines, ""]).encode())


def _folder(job: str) -> str:
    return f"deletions/job={short_segment(job)}/"


def _with(known: Tombstones, bucket: Bucket, found: StoredObject) -> Tombstones:
    if not _NAME.fullmatch(found.key.rpartition("/")[2]):
        bucket.foreign.add(found.key, "is no record of a deletion")
        return known
    try:
        header, *lines = map(json.loads, bucket.get(found.key).splitlines())
        pairs = [(str(key), str(attempt)) for key, attempt in lines]
        is_known = header["schema"] == SCHEMA
    except (ValueError, TypeError, KeyError):
        is_known = False
    if not is_known:
        bucket.foreign.add(found.key, f"is no record of a deletion ({SCHEMA})")
        return known
    return known.with_pairs(pairs, at=found.modified_at, name=found.key)
