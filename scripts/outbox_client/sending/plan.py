"""A job is checked as a whole before anything is sent: names, keys, sizes, duplicates."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from truss_outbox.contract.errors import InvalidInputError

from ..bucket.naming import Naming
from ..journal.entries import Planned, planned_row
from ..journal.journal import Journal
from ..journal.states import State
from ..progress import Progress, ProgressEvent, silent
from ..sources.items import Batch, Item
from .body import check_body

MANY_ITEMS = 100
BATCH_PRIORITY = 1
"""Of more items than that at once, where nobody says another: Baseten advises it for batch work, so
that single requests go before it."""

_SHOWN = 10
_TOLD_EVERY = 1000

# The plan's own table, in a file that SQLite makes and removes: no part of the journal.
_CREATE_STAGE = """
CREATE TABLE stage (
    number INTEGER PRIMARY KEY, item TEXT NOT NULL UNIQUE, key TEXT UNIQUE, place TEXT NOT NULL,
    size INTEGER NOT NULL, inputs TEXT NOT NULL, labels TEXT NOT NULL
)
"""

_STAGE = """
INSERT OR IGNORE INTO stage (item, key, place, size, inputs, labels)
VALUES (:item, :key, :place, :size, :inputs, :labels)
"""

_FIND_RIVAL = """
SELECT item, place FROM stage WHERE item = :item OR key = :key ORDER BY item <> :item LIMIT 1
"""

_SELECT_ROWS = "SELECT item, key, place, size, inputs, labels FROM stage ORDER BY number"

_SELECT_PLANNED = _SELECT_ROWS.replace("FROM", ", :options AS options FROM")

_SUM_PLANNED = "SELECT coalesce(sum(size), 0) FROM stage"


class Plan:
    """The items of a batch, each once, in the order of their sources; any number of them.

    They are kept on disk, not in memory. `repeated` counts the items that were left out because
    another, named by its content too, is the same. `is_batch_work`: they have the priority of that,
    because nobody said another.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        batch: Batch,
        naming: Naming,
        *,
        progress: Progress = silent,
    ) -> None:
        self.batch = batch
        self.count = 0
        self.repeated = 0
        self.is_batch_work = False
        self._connection = connection
        self._naming = naming
        self._progress = progress

    def __iter__(self) -> Iterator[Planned]:
        options = self.batch.to_json()
        rows = self._connection.execute(_SELECT_PLANNED, {"options": options})
        return map(Planned.of, rows)

    def record(self, journal: Journal) -> None:
        journal.plan(self.batch, self._told(self._connection.execute(_SELECT_ROWS)))

    def _told(self, rows: Iterable[sqlite3.Row]) -> Iterator[dict[str, object]]:
        for done, row in enumerate(rows, start=1):
            yield dict(row)
            if done % _TOLD_EVERY == 0:
                self._progress(ProgressEvent(phase="plan", done=done, total=self.count))

    @property
    def size_bytes(self) -> int:
        """Of the files and objects."""
        (size,) = self._connection.execute(_SUM_PLANNED).fetchone()
        return int(size)

    def fill(self, items: Iterable[Item]) -> None:
        """Raises InvalidInputError for whatever can be seen to be wrong now."""
        # Collected, not raised one at a time: renaming is done in one go.
        duplicates, more = list[str](), 0
        for done, item in enumerate(items, start=1):
            duplicate = self._add(item)
            if done % _TOLD_EVERY == 0:
                self._progress(ProgressEvent(phase="read", done=done, total=0))
            if duplicate is None:
                continue
            if len(duplicates) < _SHOWN:
                duplicates.append(duplicate)
            else:
                more += 1
        if duplicates:
            rest = f"; and {more} more" if more else ""
            raise InvalidInputError("PATH", "; ".join(duplicates) + rest)
        if self.batch.priority is None and self.count > MANY_ITEMS:
            self.is_batch_work = True
            self.batch = replace(self.batch, priority=BATCH_PRIORITY)

    def _add(self, item: Item) -> str | None:
        """What is wrong, where its name or key is another's too."""
        try:
            metadata = self.batch.metadata(item)
            check_body(self.batch, item, metadata, metadata_field=self._naming.metadata_field)
            key = self._naming.key(metadata)
        except InvalidInputError as error:
            raise InvalidInputError(error.field, f"{error.problem} ({item.place})") from error
        row = planned_row(item, key)
        if self._connection.execute(_STAGE, row).rowcount:
            self.count += 1
            return None
        other, place = self._connection.execute(_FIND_RIVAL, row).fetchone()
        if other == item.name and item.named_by_content:
            self.repeated += 1
            return None
        if other == item.name:
            return (
                f"{place} and {item.place} would both be item {item.name!r};"
                " rename one, or submit their common folder"
            )
        return f"key_template gives {other!r} and {item.name!r} the same key: use {{item}} in it"


@contextlib.contextmanager
def planned(
    items: Iterable[Item], batch: Batch, *, naming: Naming, progress: Progress = silent
) -> Iterator[Plan]:
    """`progress` is told how many items were read, and then recorded, where they are thousands.

    Raises InvalidInputError for whatever can be seen to be wrong before anything is sent."""
    # An empty name: SQLite keeps small plans in memory, spills large ones to disk, and cleans up.
    with contextlib.closing(sqlite3.connect("", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute(_CREATE_STAGE)
        connection.execute("BEGIN")  # for all items: a commit for each of them would be slow
        plan = Plan(connection, batch, naming, progress=progress)
        plan.fill(items)
        yield plan


def plan_again(journal: Journal, items: Sequence[str] = ()) -> int:
    """Plan what did not succeed and may now, or the given items whatever their failure.

    Whether an item may succeed now is in its failure record, or follows from the code: input that
    the model refused is left. Returns how many are planned now; `resume` sends them. Raises
    InvalidInputError for an item the job does not have, and JournalError.
    """
    before = journal.counts().get(State.PLANNED, 0)
    if items:
        journal.plan_again([entry.item for entry in journal.entries_named(items)])
    else:
        journal.plan_retryable_again()
    return journal.counts().get(State.PLANNED, 0) - before
