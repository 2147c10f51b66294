"""What the journal answers at once, however many entries there are; and journals of before."""

import sqlite3
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox_client import Journal, State
from outbox_client.journal import queries
from outbox_client.journal.belonging import JobPlace, journal_path
from outbox_client.journal.entries import (
    BEFORE_ALL,
    Accepted,
    FailureCount,
    Settlement,
    StoredResult,
)
from outbox_client.journal.journal import list_jobs
from tests.outbox_client.journal.test_journal import begin, plan

PLACE = JobPlace(job="J", root="s3://b")

TABLES_OF_VERSION_4 = """
CREATE TABLE about (job TEXT NOT NULL, root TEXT NOT NULL, endpoint TEXT NOT NULL);
CREATE TABLE batches (id INTEGER PRIMARY KEY, options TEXT NOT NULL UNIQUE);
CREATE TABLE entries (
    item TEXT PRIMARY KEY, key TEXT, digest TEXT, place TEXT NOT NULL, size INTEGER NOT NULL,
    batch INTEGER NOT NULL, request_id TEXT, submitted_at REAL NOT NULL, attempts INTEGER NOT NULL,
    state TEXT NOT NULL, existed INTEGER NOT NULL, code TEXT, message TEXT, retryable INTEGER,
    ended_at REAL
) WITHOUT ROWID;
CREATE INDEX entries_by_state ON entries (state, item);
CREATE INDEX entries_by_key ON entries (key);
CREATE TABLE sources (item TEXT PRIMARY KEY, inputs TEXT NOT NULL, labels TEXT NOT NULL);
PRAGMA user_version = 4;
INSERT INTO about VALUES ('J', 's3://b', '');
"""


def succeed(journal, *names):
    requests = list(journal.open_requests(f"k/{name}" for name in names))
    return journal.succeed(StoredResult(request, 9.0) for request in requests)


def found(journal, last=BEFORE_ALL):
    return [one.item for one in journal.found_after(last, 100)]


STEPS = {
    "plan": plan,
    "begin": begin,
    "accept": lambda journal, name: journal.end_submits(
        [Accepted(item=name, key=f"k/{name}", request_id="1")]
    ),
    "succeed": succeed,
    "fail": lambda journal, name: journal.settle(
        Settlement(item=name, state=State.FAILED, request_id="1", code="BAD", retryable=True)
    ),
    "refuse": lambda journal, name: journal.settle(
        Settlement(item=name, state=State.UNKNOWN, code="NOT_SENT", retryable=False)
    ),
    "reopen": lambda journal, _: journal.reopen_unknown(),
    "again": lambda journal, name: journal.plan_again([name]),
    "cancel": lambda journal, name: journal.cancel_planned([name], now=1.0),
}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with Journal.opened(home, job="J", root="s3://b", create=True) as journal:
        yield journal


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from("abc"))))
def test_the_tallies_are_what_counting_gives(scratch, steps):
    scratch._write("DELETE FROM entries", [{}])
    for step, name in steps:
        STEPS[step](scratch, name)
    entries = list(scratch.entries())
    states = [entry.state for entry in entries]
    assert scratch.counts() == {state: states.count(state) for state in set(states)}
    unsent = {planned.item.name for planned in scratch.unsent()}
    assert scratch.unsent_count() == len(unsent)
    assert unsent == {
        entry.item
        for entry in entries
        if entry.state in {State.PLANNED, State.SENDING} or entry.code == "NOT_SENT"
    }
    failures = {(count.code, count.items, count.retryable) for count in scratch.failure_counts()}
    bad = [entry for entry in entries if entry.state.is_failure]
    assert failures == {
        (code, len(some), sum(bool(entry.retryable) for entry in some))
        for code in {entry.code or entry.state.upper() for entry in bad}
        if (some := [entry for entry in bad if (entry.code or entry.state.upper()) == code])
    }
    (keys,) = [*scratch.open_keys()] or [[]]
    assert keys == sorted(entry.key for entry in entries if entry.state.is_open)


def test_open_keys_come_in_the_order_of_their_manifests(journal):
    names = [f"{name}{number}" for name in ("a", "a-b", "a.b", "a%2Fb") for number in range(600)]
    plan(journal, [*names, "a", "unsent"])
    for name in [*names, "a"]:
        begin(journal, name)
    pages = list(journal.open_keys())
    assert [len(page) for page in pages] == [1000, 1000, 401]
    keys = [key for page in pages for key in page]
    assert keys == sorted((f"k/{name}" for name in [*names, "a"]), key=lambda key: f"{key}.json")


def test_results_come_in_the_order_in_which_they_are_found_also_once_more(journal):
    plan(journal, "abc")
    for name in "abc":
        begin(journal, name)
    succeed(journal, "c")
    succeed(journal, "b")
    assert found(journal) == ["c", "b"]
    (last,) = journal.found_after(journal.found_after(BEFORE_ALL, 1)[0], 5)
    plan(journal, "b")  # sent again: not a result now, and a later one once it is found
    assert found(journal) == ["c"]
    begin(journal, "b")
    succeed(journal, "ab")
    assert found(journal, last) == []
    succeed(journal, "a")
    succeed(journal, "b")
    assert found(journal, last) == ["a", "b"]


def test_who_reads_does_not_wait_for_who_writes(journal):
    plan(journal, "ab")
    with journal._transaction() as connection:
        connection.execute("UPDATE entries SET state = 'sent'")
        assert journal.counts() == {State.PLANNED: 2}
        assert len(list(journal.entries())) == 2
    assert journal.counts() == {State.SENT: 2}


@pytest.mark.parametrize("query", [name for name in vars(queries) if name.startswith("SELECT_")])
def test_no_question_looks_at_everything(query):
    """What is asked again and again goes along an index, and sorts no more than its answer."""
    text = getattr(queries, query).format(number=0)
    values = defaultdict[str, None](lambda: None)
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(queries.CREATE)
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
    connection.close()
    assert [step for step in steps if step.startswith(("SCAN entries", "SCAN sources"))] in (
        [],
        ["SCAN entries USING INDEX sent_by_time"],  # of what is open alone
    )


def write_journal_of_version_4(home, states):
    path = journal_path(home, PLACE)
    path.parent.mkdir(parents=True)
    old = sqlite3.connect(path)
    old.executescript(TABLES_OF_VERSION_4)
    old.execute("INSERT INTO batches VALUES (1, '{}')")
    for item, (state, code) in states.items():
        old.execute(
            "INSERT INTO entries VALUES (?, ?, 'd', 'p', 1, 1, 'r', 5.0, 1, ?, 0, ?, NULL, 1, 9.0)",
            (item, f"k/{item}", state, code),
        )
        old.execute("INSERT INTO sources VALUES (?, '{}', '{}')", (item,))
    old.commit()
    old.close()


def test_a_journal_of_before_is_taken_over_with_all_that_it_knows(tmp_path):
    states = {
        "a": ("succeeded", None),
        "b": ("succeeded", None),
        "c": ("failed", "BAD"),
        "d": ("unknown", "NOT_SENT"),
        "e": ("planned", None),
        "f": ("sent", None),
    }
    write_journal_of_version_4(tmp_path, states)
    (before,), damaged = list_jobs(tmp_path)
    for _ in range(2):
        with Journal.opened(tmp_path, job="J", root="s3://b") as journal:
            assert journal.counts() == before.counts
            assert journal.unsent_count() == 2
            assert journal.failure_counts() == [
                FailureCount("BAD", 1, 1),
                FailureCount("NOT_SENT", 1, 1),
            ]
            assert found(journal)[:2] == ["a", "b"]
            assert list(journal.open_keys()) in ([["k/f"]], [])
            succeed(journal, "f")
            assert found(journal) == ["a", "b", "f"]
        before.counts.pop(State.SENT, None)
        before.counts[State.SUCCEEDED] = 3
    (after,), _ = list_jobs(tmp_path)
    assert (after.counts, after.last_submit, damaged) == (before.counts, 5.0, [])
