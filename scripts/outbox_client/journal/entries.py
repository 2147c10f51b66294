"""The journal's records: what it holds, and what its methods take and return."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from ..sources.items import Batch, Item
from .states import State


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One item. `existed`: its key may hold an earlier result, so compare fingerprints.

    `attempts` counts its submits; `submitted_at` is the time of the latest, 0 before the first;
    `digest` is None until then. `retryable` and `ended_at` have a meaning in final states alone.
    """

    item: str
    key: str | None
    digest: str | None
    place: str
    size: int
    request_id: str | None
    submitted_at: float
    attempts: int
    state: State
    existed: bool
    code: str | None
    message: str | None
    retryable: bool | None
    ended_at: float | None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        values = {name: row[name] for name in cls.__slots__}
        values |= {"state": State(row["state"]), "existed": bool(row["existed"])}
        return cls(**values)


def digests(entries: Iterable[Entry]) -> dict[str, str]:
    """Input digests by key, of what was submitted."""
    return {entry.key: entry.digest for entry in entries if entry.key and entry.digest}


def failed_of(counts: Mapping[State, int]) -> int:
    """How many items have failed: what was canceled has not."""
    return sum(count for state, count in counts.items() if state.is_failure)


class OpenRequest(NamedTuple):
    """As much of an entry as a listing needs. A tuple, because a sweep may make very many."""

    item: str
    key: str
    request_id: str | None
    digest: str | None
    submitted_at: float
    state: str
    existed: bool


class StoredResult(NamedTuple):
    """The result of an open request; `committed_at` is by the bucket's clock."""

    request: OpenRequest
    committed_at: float


class FoundResult(NamedTuple):
    """A result as it was found: those found later have a higher number."""

    number: int
    item: str
    key: str


BEFORE_ALL = FoundResult(number=-1, item="", key="")


class FailureCount(NamedTuple):
    """Items that failed, by their code; `retryable` of them may be sent again."""

    code: str
    items: int
    retryable: int


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSummary:
    """A job that was submitted from this machine; `last_submit` in seconds since the epoch.

    `endpoint` is empty where the bucket is at its cloud's own.
    """

    job: str
    root: str
    endpoint: str
    counts: dict[State, int]
    last_submit: float | None

    @property
    def bucket(self) -> str:
        return f"{self.root} at {self.endpoint}" if self.endpoint else self.root


@dataclass(frozen=True, kw_only=True, slots=True)
class DamagedJournal:
    """A file among the journals that is none which can be read, and why."""

    path: str
    problem: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """An item to send; `key` is None where it depends on the request id."""

    item: Item
    batch: Batch
    key: str | None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        item = Item(
            name=row["item"],
            inputs=json.loads(row["inputs"]),
            labels=json.loads(row["labels"]),
            size=row["size"],
            place=row["place"],
        )
        return cls(item=item, batch=Batch.from_json(row["options"]), key=row["key"])


def planned_row(item: Item, key: str | None) -> dict[str, object]:
    """What `Planned.of` reads, but for the batch."""
    return {
        "item": item.name,
        "key": key,
        "place": item.place,
        "size": item.size,
        "inputs": json.dumps(dict(item.inputs)),
        "labels": json.dumps(dict(item.labels)),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """A submit that is about to happen; `digest` is of the model's input."""

    item: str
    key: str | None
    digest: str
    size: int
    submitted_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The service has taken the item's request."""

    item: str
    key: str
    request_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """How an item's request ended; ignored once the item was submitted again.

    `request_id` is None where the request was never accepted.
    `retryable`: whether sending it again may help. `ended_at` in seconds since the epoch.
    """

    item: str
    state: State
    request_id: str | None = None
    code: str | None = None
    message: str | None = None
    retryable: bool | None = None
    ended_at: float | None = None


def as_row(record: Begun | Accepted | Settlement) -> Mapping[str, object]:
    # Not asdict, which copies what it finds and takes ten times as long.
    return {name: getattr(record, name) for name in record.__slots__}
