"""What is to be sent, looked at as a whole before anything is: names, keys, sizes, duplicates."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from truss_outbox.contract.errors import InvalidInputError

from ..bucket.naming import Naming
from ..journal import queries
from ..journal.entries import Planned, State
from ..journal.journal import Journal, entries_named
from ..sources.batch import Batch
from ..sources.items import Item
from .body import check_body

_SHOWN = 10


class Plan:
    """The items of a batch, each once, in the order of their sources; any number of them.

    They are kept in a file that SQLite makes and removes. `repeated` are those left out because
    they are the same as another (named by content).
    """

    def __init__(self, connection: sqlite3.Connection, batch: Batch, naming: Naming) -> None:
        self.batch = batch
        self.count = 0
        self.repeated = 0
        self._connection = connection
        self._naming = naming

    def __iter__(self) -> Iterator[Planned]:
        options = self.batch.to_json()
        for row in self._connection.execute(queries.SELECT_PLANNED, {"options": options}):
            yield Planned.of(row)

    @property
    def size_bytes(self) -> int:
        """Of the documents, as far as it is known."""
        (size,) = self._connection.execute(queries.SUM_PLANNED).fetchone()
        return int(size)

    def fill(self, items: Iterable[Item]) -> None:
        """Raises InvalidInputError for whatever can be seen to be wrong now."""
        duplicates, more = list[str](), 0
        for item in items:
            told = self._add(item)
            if told is None:
                continue
            if len(duplicates) < _SHOWN:
                duplicates.append(told)
            else:
                more += 1
        if duplicates:
            rest = f"; and {more} more" if more else ""
            raise InvalidInputError("PATH", "; ".join(duplicates) + rest)

    def _add(self, item: Item) -> str | None:
        """What is wrong where it meets another."""
        check_body(self.batch, item)
        key = self._naming.key(self.batch.metadata(item))
        planned = Planned(item=item, batch=self.batch, key=key)
        row = planned.entry_row() | (planned.source_row() or _NO_SOURCE)
        row |= {"place": item.place}
        if self._connection.execute(queries.STAGE, row).rowcount:
            self.count += 1
            return None
        if item.named_by_content and self._has(item.name):
            self.repeated += 1
            return None
        return self._collision(item, key)

    def _has(self, name: str) -> bool:
        return self._connection.execute(queries.FIND_STAGED, {"item": name}).fetchone() is not None

    def _collision(self, item: Item, key: str | None) -> str:
        row = {"item": item.name, "key": key}
        other, place = self._connection.execute(queries.FIND_RIVAL, row).fetchone()
        if other == item.name:
            return (
                f"{place} and {item.place} would both be item {item.name!r};"
                " rename one, or submit their common folder"
            )
        return f"key_template gives {other!r} and {item.name!r} the same key: use {{item}} in it"


_NO_SOURCE: dict[str, object] = {"stored": None, "inputs": None, "labels": None}


@contextlib.contextmanager
def planned(items: Iterable[Item], batch: Batch, *, naming: Naming) -> Iterator[Plan]:
    """Raises InvalidInputError for whatever can be seen to be wrong before anything is sent."""
    with contextlib.closing(sqlite3.connect("", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute(queries.CREATE_STAGE)
        connection.execute("BEGIN")
        plan = Plan(connection, batch, naming)
        plan.fill(items)
        yield plan


def plan_again(journal: Journal, items: Sequence[str] = ()) -> int:
    """What did not succeed where a repetition may help, or the given items whatever the reason.

    Returns how many are planned now; `resume` sends them. Whether it may help is said by the
    failure's record, or its code: input the model refused stays as it is. Raises InvalidInputError
    for an item the job does not have, and JournalError.
    """
    before = journal.counts().get(State.PLANNED, 0)
    if items:
        named = [{"item": entry.item} for entry in entries_named(journal, items)]
        journal.write(queries.PLAN_AGAIN, named)
    else:
        journal.write(queries.PLAN_RETRYABLE_AGAIN, [{}])
    return journal.counts().get(State.PLANNED, 0) - before
