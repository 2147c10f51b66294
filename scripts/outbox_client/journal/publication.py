"""What other machines are to be told of a job, and what they told: in tables of its own.

Triggers note each item that is planned, sent, or ends without a result, in `unpublished`, so that a
kill loses none of them. What is planned on another machine lies in `elsewhere` until that machine
has sent it, or has stopped.
"""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self

from ..sources.items import Batch
from . import publication_queries as sql
from .states import State

_AT_ONCE = 500
_EVERY_NUMBER = 1 << 62

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownSender:
    """A run that sends, or has sent, as its last part says; `seen_at` is when that was stored."""

    sender: str
    number: int
    planned: int
    sent: int
    unlisted: int
    ended: bool
    seen_at: float
    is_mine: bool

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        values = {name: row[name] for name in cls.__slots__}
        return cls(**values | {name: bool(row[name]) for name in ("ended", "is_mine")})

    @property
    def is_going_on(self) -> bool:
        """Unless it has fallen silent since."""
        return not self.ended and self.sent < self.planned


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Which run an item's source comes from; `digest` is of the input that was sent, if it was."""

    sender: str
    has_inputs: bool
    digest: str | None


def make_tables(connection: sqlite3.Connection) -> None:
    """Within a transaction; those that are there stay."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'unpublished'").fetchone():
        for statement in sql.TABLES:
            connection.execute(statement)


class Publication:
    """All methods raise JournalError. `transaction` and `rows` are the journal's own."""

    def __init__(
        self,
        job: str,
        *,
        transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        rows: Callable[..., list[sqlite3.Row]],
    ) -> None:
        self._job = job
        self._transaction = transaction
        self._rows = rows

    def unpublished(self, *, after: int, limit: int = _AT_ONCE) -> list[sqlite3.Row]:
        """What other machines are to be told, in order, as it is now."""
        return self._rows(sql.SELECT_UNPUBLISHED, after=after, limit=limit)

    def unlisted_count(self, *, after: int) -> int:
        """Of how many items that were planned here no part up to the number `after` tells."""
        return int(self._rows(sql.COUNT_UNLISTED, after=after)[0][0])

    def announced(self) -> str | None:
        """A sender of this machine that has told its plan alone: whoever sends it goes on so."""
        return next((row[0] for row in self._rows(sql.SELECT_ANNOUNCED)), None)

    def note_written(self, name: str, sender: Row, *, until: int) -> None:
        """A part has everything up to the number `until`."""
        with self._transaction() as connection:
            connection.execute(sql.FORGET_NEWS, {"after": 0, "until": until})
            connection.execute(sql.NOTE_PART, {"name": name})
            connection.execute(sql.NOTE_SENDER, {**sender, "is_mine": True})

    def unread(self, names: Iterable[str]) -> list[str]:
        """Those of these parts that were neither read nor written here."""
        return [row[0] for row in self._rows(sql.SELECT_UNREAD, names=json.dumps(list(names)))]

    def senders(self) -> list[KnownSender]:
        """Of this machine too, the last to give a sign of life last."""
        return list(map(KnownSender.of, self._rows(sql.SELECT_SENDERS)))

    def unlisted_elsewhere(self) -> int:
        """Of how many items a sender did not tell what they are, and none has sent so many since.

        While it goes on, it still may.
        """
        return int(self._rows(sql.SUM_UNLISTED)[0][0])

    def origin(self, item: str) -> Origin | None:
        """None where the item's source is this machine's own."""
        for sender, has_inputs, digest in self._rows(sql.SELECT_ORIGIN, item=item):
            return Origin(sender=sender, has_inputs=bool(has_inputs), digest=digest)
        return None

    def record_staged(self, item: str, inputs: str) -> None:
        """The bucket has all files of the item: this is its input (JSON) from now on."""
        values = {"item": item, "inputs": inputs}
        with self._transaction() as connection:
            if connection.execute(sql.STAGE_SOURCE, values).rowcount:
                connection.execute(sql.NOTE_PLAN, values)

    def merge(self, name: str, sender: Row, lines: Iterable[Row]) -> None:
        """What a part says: of each item the latest submit counts, and what has ended stays so."""
        with self._transaction() as connection, _untold(connection):
            for line in lines:
                if line["state"] == State.PLANNED:
                    _merge_plan(connection, line, sender["sender"])
                else:
                    self._merge_request(connection, line, sender["sender"])
            connection.execute(sql.NOTE_PART, {"name": name})
            connection.execute(sql.NOTE_SENDER, {**sender, "is_mine": False})

    def take_over(self) -> int:
        """Make what no other machine sends any more this journal's own, for `resume` to send.

        Call it once they have all stopped. What one has left that said so is planned; of what one
        has left that fell silent, some may be sent. Returns how many items that were.
        """
        taken = 0
        while some := self._rows(sql.SELECT_SOME_ELSEWHERE, limit=_AT_ONCE):
            taken += len(some)
            with self._transaction() as connection, _untold(connection):
                for row in some:
                    _take_over(connection, row)
        return taken

    def _merge_request(self, connection: sqlite3.Connection, line: Row, sender: str) -> None:
        known = connection.execute(sql.SELECT_KNOWN, line).fetchone()
        source = connection.execute(sql.SELECT_ELSEWHERE, line).fetchone()
        if known is None or _is_news(connection, line, known):
            taken = _needs_source(line, known)
            options = source["options"] if source and taken else Batch(job=self._job).to_json()
            has_batch = known is not None and not (source and taken)
            row = {
                **line,
                "place": source["place"] if source else known["place"] if known else "elsewhere",
                "batch": known["batch"] if has_batch else _batch(connection, options),
            }
            connection.execute(sql.PUT_ENTRY, row)
            if taken:
                nothing = {"item": line["item"], "inputs": "{}", "labels": "{}", "has_inputs": 0}
                _put_source(connection, dict(source) if source else nothing, sender)
        connection.execute(sql.DELETE_ELSEWHERE, line)


@contextlib.contextmanager
def _untold(connection: sqlite3.Connection) -> Iterator[None]:
    """What is written in this block of a transaction comes from others: it is no news to them."""
    (before,) = connection.execute(sql.LAST_NEWS).fetchone()
    yield
    connection.execute(sql.FORGET_NEWS, {"after": before, "until": _EVERY_NUMBER})


def _merge_plan(connection: sqlite3.Connection, line: Row, sender: str) -> None:
    """A plan that is older than what is known of the item only says what the item is."""
    known = connection.execute(sql.SELECT_KNOWN, line).fetchone()
    if known is None or known["attempts"] <= line["attempts"]:
        connection.execute(sql.PUT_ELSEWHERE, {**line, "sender": sender})
    elif not known["has_inputs"]:
        _put_source(connection, line, sender)


def _is_news(connection: sqlite3.Connection, line: Row, known: sqlite3.Row) -> bool:
    """Whether a request that another machine tells of goes before what is known of its item."""
    state, request_id = State(known["state"]), line["request_id"]
    if state in {State.PLANNED, State.SENDING}:
        # What this machine is to send, it sends; unless both mean the same source.
        return known["origin"] is not None or _is_mine(connection, line["origin"])
    if state is State.SUCCEEDED and known["digest"] == line["digest"]:
        return False
    if request_id is not None and request_id == known["request_id"]:
        return line["state"] != State.SENT and (state.is_open or state is State.UNKNOWN)
    if state is State.UNKNOWN and known["request_id"] is None:
        return True
    return _moment(line) > _moment(known)


def _is_mine(connection: sqlite3.Connection, sender: str | None) -> bool:
    return connection.execute(sql.IS_MINE, {"sender": sender}).fetchone() is not None


def _moment(one: Row | sqlite3.Row) -> float:
    """What was never accepted may have been refused long after the submit before it."""
    submitted_at, ended_at = float(one["submitted_at"]), float(one["ended_at"] or 0)
    return submitted_at if one["request_id"] is not None else max(submitted_at, ended_at)


def _needs_source(line: Row, known: sqlite3.Row | None) -> bool:
    """Whether the item's source is not known, or is that of another input."""
    if known is None or not known["has_source"] or known["has_inputs"] == 0:
        return True
    return known["digest"] is not None and known["digest"] != line["digest"]


def _put_source(connection: sqlite3.Connection, source: Row, sender: str) -> None:
    connection.execute(sql.PUT_SOURCE, source)  # which takes it from `elsewhere`
    connection.execute(sql.PUT_ORIGIN, {**source, "sender": sender})


def _take_over(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    state = State.PLANNED if row["ended"] else State.SENDING
    values = {
        **dict(row),
        "batch": _batch(connection, row["options"]),
        "state": state,
        "submitted_at": 0.0 if row["ended"] else row["seen_at"],
    }
    if connection.execute(sql.PLAN_ELSEWHERE, values).rowcount:
        _put_source(connection, values, row["sender"])
    connection.execute(sql.DELETE_ELSEWHERE, {"item": row["item"], "attempts": _EVERY_NUMBER})


def _batch(connection: sqlite3.Connection, options: str) -> int:
    connection.execute(sql.INSERT_BATCH, {"options": options})
    (number,) = connection.execute(sql.SELECT_BATCH, {"options": options}).fetchone()
    return int(number)
