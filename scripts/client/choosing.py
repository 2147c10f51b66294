"""The items that a command is given by name."""

from collections.abc import Sequence

from model.artifacts.errors import InvalidInputError
from scripts.client.entries import Entry
from scripts.client.journal import Journal


def entries_named(journal: Journal, items: Sequence[str]) -> list[Entry]:
    """Raises InvalidInputError for an item the job does not have."""
    entries = journal.entries_of_items(items)
    for item in set(items) - {entry.item for entry in entries}:
        raise InvalidInputError("ITEM", f"job {journal.job!r} has no item {item!r}")
    return entries
