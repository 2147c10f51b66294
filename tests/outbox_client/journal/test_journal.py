"""What the journal promises: all of a plan or nothing of it, and pages instead of lists."""

import sqlite3

import pytest

from outbox_client import Batch, Item, Journal, State
from outbox_client.errors import JournalError
from outbox_client.journal.entries import Accepted, Begun, Planned, Settlement, StoredResult
from outbox_client.journal.journal import journal_path


def plan(journal, names, **batch):
    batch = Batch(job=journal.job, **batch)
    journal.plan(Planned(item=Item(name=name), batch=batch, key=f"k/{name}") for name in names)


def begin(journal, name, digest="1"):
    journal.begin_submits(
        [Begun(item=name, key=f"k/{name}", digest=digest, size=1, submitted_at=5.0)]
    )


def test_entries_come_in_pages_each_once_whatever_their_names(journal):
    names = {f"{number:05}" for number in range(1800)} | {"", "\0", "a", "a\0", "ä", "😀"}
    plan(journal, names)
    assert [entry.item for entry in journal.entries()] == sorted(names, key=str.encode)
    assert {planned.item.name for planned in journal.unsent()} == names


def test_only_the_states_that_are_asked_for_come(journal):
    plan(journal, "abc")
    begin(journal, "b")
    journal.settle(Settlement(item="c", state=State.FAILED, code="X"))

    def items(*states):
        return [entry.item for entry in journal.entries(states=states)]

    assert (items(State.PLANNED), items(State.SENDING)) == (["a"], ["b"])
    assert items(State.FAILED, State.PLANNED) == ["a", "c"]
    assert items() == []
    assert journal.counts() == {State.PLANNED: 1, State.SENDING: 1, State.FAILED: 1}


def test_a_result_counts_once_also_where_the_requests_id_came_meanwhile(journal):
    plan(journal, "a")
    begin(journal, "a")

    def found():
        return [StoredResult(request, 9.0) for request in journal.open_requests(["k/a"])]

    before = found()
    journal.end_submits([Accepted(item="a", key="k/a", request_id="1")])
    assert journal.succeed(before) == []
    after = found()
    assert journal.succeed(after) == after
    assert journal.succeed(after) == []
    assert found() == []


def test_a_plan_that_breaks_off_leaves_nothing(journal):
    def breaking():
        yield Planned(item=Item(name="a"), batch=Batch(job=journal.job), key="a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journal.plan(breaking())
    assert journal.counts() == {}


def test_what_a_request_needs_comes_back_as_it_was_planned(journal):
    item = Item(name="x", inputs={"a": [1]}, labels={"l": "ü"}, size=7, place="in/x")
    batch = Batch(job=journal.job, labels={"team": "x"}, inputs={"dpi": 1}, priority=1)
    planned = Planned(item=item, batch=batch, key="k")
    journal.plan([planned])
    assert list(journal.unsent()) == [planned]


def test_an_input_that_changed_since_it_was_sent_is_to_be_compared(journal):
    plan(journal, "ab")
    for name in "ab":
        begin(journal, name)
    plan(journal, "ab")
    begin(journal, "a", digest="1")
    begin(journal, "b", digest="2")
    assert [(entry.existed, entry.attempts) for entry in journal.entries()] == [
        (False, 2),
        (True, 2),
    ]


def test_a_result_that_was_there_before_is_to_be_compared_and_one_sent_meanwhile_is_not(journal):
    plan(journal, "ab")
    begin(journal, "b")
    journal.mark_existing(["k/a", "k/b", "k/c"])
    assert [entry.existed for entry in journal.entries()] == [True, False]


def test_what_is_said_of_an_earlier_request_does_not_count(journal):
    plan(journal, "a")
    begin(journal, "a")
    journal.end_submits([Accepted(item="a", key="k/a", request_id="2")])
    journal.settle(Settlement(item="a", state=State.FAILED, request_id="1"))
    assert journal.counts() == {State.SENT: 1}
    (entry,) = journal.entries_of_keys(["k/a", "k/none"])
    assert journal.entries_of_items(["a", "none"]) == [entry]


def test_a_journal_of_another_version_is_refused_with_the_remedy(tmp_path):
    path = journal_path(tmp_path, job="J", root="s3://b")
    path.parent.mkdir()
    old = sqlite3.connect(path)
    old.execute("CREATE TABLE about (job TEXT)")
    old.close()
    with (
        pytest.raises(JournalError, match=r"delete it .* and submit the job again"),
        Journal.opened(tmp_path, job="J", root="s3://b"),
    ):
        pass
