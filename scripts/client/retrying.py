"""Putting back what failed, so that it is sent again."""

from collections.abc import Sequence

from scripts.client import following_queries as queries
from scripts.client.choosing import entries_named
from scripts.client.journal import Journal
from scripts.client.states import State


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
