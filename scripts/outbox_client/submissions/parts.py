"""A part of what a sender tells: an object of JSON lines, created once.

Its first line is the `Header`. Each other is about one item: where it comes from and what it is
(`planned`), that the service has taken its request (`sent`), or that it ended without a result.
"""

import json
import re
import secrets
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from truss_outbox.contract.errors import InvalidInputError, OutboxError
from truss_outbox.contract.keys import short_segment

from ..bucket.bucket import Bucket
from ..bucket.listed import StoredObject
from ..errors import SentFromElsewhereError
from ..journal.states import State
from ..sources.items import Batch

FOLDER = "submissions/"

SCHEMA = "outbox.submissions/v1"

MOST_LINES = 1_000
MOST_BYTES = 4 << 20
"""A part ends with the line that makes it longer than this."""

MOST_INPUT_BYTES = 64 << 10
"""Of one item. A longer input is left out: the item can be sent again where it was sent from."""

MOST_READ_BYTES = 64 << 20
"""What is longer than this is no part of ours."""

_NAME = re.compile(r"([0-9a-f]{12})-([0-9]{6,})\.jsonl\Z")


class PartError(OutboxError):
    """The object is no part, or of a schema that this version does not know."""

    code = "PART_ERROR"


class Header(BaseModel):
    """What a part says of its sender, as of then.

    `planned`: how many items it is to send in all; `sent`: how many it has; `unlisted`: of how many
    no part says what they are. `ended`: it sends no more. `batches`: what lines share, by number.
    """

    model_config = ConfigDict(frozen=True)

    schema_: Literal["outbox.submissions/v1"] = Field(alias="schema")
    job: str
    sender: str
    written_at: float
    planned: int
    sent: int
    unlisted: int
    ended: bool
    batches: list[dict[str, Any]] = []


class PlannedLine(BaseModel):
    """`inputs` is None where they are too large; `attempts` counts the submits before."""

    state: Literal["planned"]
    item: str
    key: str | None
    place: str
    size: int
    attempts: int
    batch: int
    inputs: dict[str, Any] | None
    labels: dict[str, str] = {}


class RequestLine(BaseModel):
    """As the journal's entry. `origin` is the sender whose source it was, where that is another."""

    state: Literal["sent", "failed", "expired", "canceled"]
    item: str
    key: str | None
    digest: str | None
    size: int
    request_id: str | None
    submitted_at: float
    attempts: int
    existed: bool = False
    origin: str | None = None
    code: str | None = None
    message: str | None = None
    retryable: bool | None = None
    ended_at: float | None = None


_Line = Annotated[PlannedLine | RequestLine, Field(discriminator="state")]
_LINE = TypeAdapter[PlannedLine | RequestLine](_Line)


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmissionPart:
    """As the journal's `Publication.merge` takes it."""

    sender: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]]


def folder(job: str) -> str:
    return f"{FOLDER}job={short_segment(job)}/"


def part_key(job: str, sender: str, number: int) -> str:
    return f"{folder(job)}{sender}-{number:06}.jsonl"


def part_of(key: str) -> tuple[str, int] | None:
    """Sender and number of the part that has this key; None for what is none."""
    name = _NAME.fullmatch(key.rpartition("/")[2])
    return (name[1], int(name[2])) if name else None


def new_sender() -> str:
    return secrets.token_hex(6)


def write_part(header: Mapping[str, Any], lines: "PartLines") -> bytes:
    first = {"schema": SCHEMA, **header, "batches": [json.loads(one) for one in lines.batches]}
    return "\n".join([json.dumps(first), *lines.written, ""]).encode()


class PartLines:
    """The lines of a part that is being made, from what the journal has to tell."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.batches: dict[str, int] = {}
        self.until = 0
        """The number of the last row that is in it."""
        self.plans = 0
        """How many rows said what an item is."""
        self._told = dict[tuple[str, int], str]()
        self._sent = set[str]()
        self._size = 0

    @property
    def sent(self) -> int:
        """How many items it says were sent."""
        return len(self._sent)

    @property
    def is_full(self) -> bool:
        return len(self.written) >= MOST_LINES or self._size > MOST_BYTES

    def add(self, rows: Iterable[sqlite3.Row]) -> None:
        """As many as there is room for."""
        for row in rows:
            if self.is_full:
                return
            self.until = row["number"]
            self.plans += row["is_plan"]
            self._add(row)

    def _add(self, row: sqlite3.Row) -> None:
        line = self._planned(row) if row["is_plan"] else _request(row)
        if line is None:
            return
        # A row says what is so when it is read: two about one item mostly say the same.
        about, text = (row["item"], row["is_plan"]), json.dumps(line, separators=(",", ":"))
        if self._told.get(about) == text:
            return
        self._told[about] = text
        self.written.append(text)
        self._size += len(text)
        if line.get("request_id") is not None:
            self._sent.add(row["item"])

    def _planned(self, row: sqlite3.Row) -> dict[str, Any]:
        inputs = row["inputs"]
        is_known = inputs is not None and len(inputs) <= MOST_INPUT_BYTES
        if row["options"] not in self.batches:
            self.batches[row["options"]] = len(self.batches)
            self._size += len(row["options"])
        return {
            "state": "planned",
            **{name: row[name] for name in ("item", "key", "place", "size")},
            # A submit that is under way is not one of those before.
            "attempts": row["attempts"] - (row["state"] == State.SENDING),
            "batch": self.batches[row["options"]],
            "inputs": json.loads(inputs) if is_known else None,
            "labels": json.loads(row["labels"]),
        }


_ENDED = {State.FAILED, State.EXPIRED, State.CANCELED}
_ALWAYS = ("item", "key", "digest", "size", "request_id", "submitted_at", "attempts")
_IF_ANY = ("origin", "code", "message", "retryable", "ended_at")


def _request(row: sqlite3.Row) -> dict[str, Any] | None:
    """None where there is nothing to tell: it is to be sent again, or cannot be sent here."""
    has_ended = row["state"] in _ENDED
    if row["code"] == SentFromElsewhereError.code or (row["request_id"] is None and not has_ended):
        return None
    line = {"state": row["state"] if has_ended else State.SENT}
    line |= {name: row[name] for name in _ALWAYS}
    line |= {"existed": True} if row["existed"] else {}
    names = _IF_ANY if has_ended else ("origin",)
    return line | {name: row[name] for name in names if row[name] is not None}


def read_part(bucket: Bucket, found: StoredObject, job: str) -> SubmissionPart:
    """Raises PartError for what is none, and StoreError."""
    named = part_of(found.key)
    if named is None or found.size > MOST_READ_BYTES:
        raise PartError("it is no part of what was sent")
    header, lines = _parsed(bucket.get(found.key))
    if header.job != job:
        raise PartError(f"it is of job {header.job!r}")
    sender, number = named
    state = header.model_dump(include={"planned", "sent", "unlisted", "ended"})
    seen = {"sender": sender, "number": number, "seen_at": found.modified_at.timestamp()}
    return SubmissionPart(sender=state | seen, lines=lines)


def _parsed(data: bytes) -> tuple[Header, list[dict[str, Any]]]:
    first, *rest = data.rstrip(b"\n").split(b"\n")
    try:
        header = Header.model_validate_json(first)
        batches = list(map(_options, header.batches))
        return header, [_row(_LINE.validate_json(line), batches) for line in rest]
    except (ValidationError, IndexError, TypeError, InvalidInputError) as error:
        raise PartError(f"it is no part of what was sent ({SCHEMA})") from error


_OF_BATCH = tuple(one.name for one in fields(Batch))


def _options(written: Mapping[str, Any]) -> str:
    """What this version knows of a batch's options, as the journal has them."""
    return Batch(**{name: written[name] for name in _OF_BATCH if name in written}).to_json()


def _row(line: PlannedLine | RequestLine, batches: Sequence[str]) -> dict[str, Any]:
    if isinstance(line, RequestLine):
        return line.model_dump()
    return {
        **line.model_dump(include={"state", "item", "key", "place", "size", "attempts"}),
        "options": batches[line.batch],
        "inputs": json.dumps(line.inputs or {}),
        "labels": json.dumps(line.labels),
        "has_inputs": line.inputs is not None,
    }
