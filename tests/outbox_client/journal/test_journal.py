"""What the journal promises: all of a plan or nothing of it, and pages instead of lists."""

import hashlib
import sqlite3

import pytest

from outbox_client import Batch, Item, Journal, State
from outbox_client.errors import JournalError, UnknownJobError
from outbox_client.journal.belonging import JobPlace, endpoint_identity, journal_path
from outbox_client.journal.database import connected
from outbox_client.journal.entries import (
    Accepted,
    Begun,
    Planned,
    Settlement,
    StoredResult,
    planned_row,
)
from outbox_client.journal.journal import list_jobs


def plan(journal, names, **batch):
    batch = Batch(job=journal.job, **batch)
    journal.plan(batch, (planned_row(Item(name=name), f"k/{name}") for name in names))


def begin(journal, name, digest="1"):
    return journal.begin_submits(
        [Begun(item=name, key=f"k/{name}", digest=digest, size=1, submitted_at=5.0)]
    )


def test_whatever_made_a_journal_its_owner_alone_reads_it_from_then_on(journal, tmp_path):
    plan(journal, "a")
    jobs = tmp_path / "home" / "jobs"
    jobs.chmod(0o755)
    for path in jobs.iterdir():
        path.chmod(0o644)
    assert len(list(jobs.iterdir())) == 3  # SQLite's own beside it

    (path,) = jobs.glob("*.sqlite3")
    with connected(path):
        modes = {path.stat().st_mode & 0o777 for path in jobs.iterdir()}

    assert (jobs.stat().st_mode & 0o777, modes) == (0o700, {0o600})


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
        yield planned_row(Item(name="a"), "a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journal.plan(Batch(job=journal.job), breaking())
    assert journal.counts() == {}


def test_what_a_request_needs_comes_back_as_it_was_planned(journal):
    item = Item(name="x", inputs={"a": [1]}, labels={"l": "ü"}, size=7, place="in/x")
    batch = Batch(job=journal.job, labels={"team": "x"}, inputs={"dpi": 1}, priority=1)
    journal.plan(batch, [planned_row(item, "k")])
    assert list(journal.unsent()) == [Planned(item=item, batch=batch, key="k")]


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


def test_a_result_that_is_found_is_neither_sent_again_nor_refused(journal):
    """The service has taken a request, and its answer was lost: the sender tries it again."""
    plan(journal, "a")
    begin(journal, "a")
    journal.succeed(StoredResult(one, 9.0) for one in journal.open_requests(["k/a"]))
    assert begin(journal, "a") == 0
    assert journal.settle(Settlement(item="a", state=State.FAILED, code="GONE")) == 0
    assert journal.counts() == {State.SUCCEEDED: 1}


def test_a_bucket_of_the_same_name_elsewhere_has_journals_of_its_own(tmp_path):
    def opened(endpoint, **how):
        return Journal.opened(tmp_path, job="J", root="s3://b", endpoint=endpoint, **how)

    for endpoint, items in {"http://127.0.0.1:1": "a", "http://127.0.0.1:2": "bc"}.items():
        with opened(endpoint, create=True) as journal:
            plan(journal, items)
    with opened("http://127.0.0.1:1") as journal:
        assert journal.counts() == {State.PLANNED: 1}
    with pytest.raises(UnknownJobError) as unknown, opened(""):
        pass
    assert "but to s3://b at http://127.0.0.1:1, s3://b at http://127.0.0.1:2" in str(unknown.value)
    assert {(one.endpoint, one.root) for one in list_jobs(tmp_path)[0]} == {
        ("http://127.0.0.1:1", "s3://b"),
        ("http://127.0.0.1:2", "s3://b"),
    }


@pytest.mark.parametrize(
    "spelling",
    [
        *(None, "https://s3.amazonaws.com", "https://s3.eu-west-1.amazonaws.com/"),
        *("s3-us-west-2.amazonaws.com", "https://S3.dualstack.us-east-1.amazonaws.com:443"),
        *("https://b.s3.eu-west-1.amazonaws.com", "https://s3-fips.us-east-2.amazonaws.com"),
    ],
)
def test_the_clouds_own_endpoint_is_one_however_it_is_written(spelling):
    assert endpoint_identity("s3://b", spelling) == ""


@pytest.mark.parametrize(
    ("root", "endpoint_url", "identity"),
    [
        ("s3://b", "http://LOCALHOST:80/", "http://localhost"),
        ("s3://b", "http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("s3://b", "http://[::1]:9000/s3/", "http://[::1]:9000/s3"),
        ("s3://b", "https://s3.cn-north-1.amazonaws.com.cn", "cn"),
        ("s3://b", "https://s3.us-gov-west-1.amazonaws.com", "us-gov"),
        ("s3://b", "https://host:99999", "https://host:99999"),
        ("gs://b", "https://storage.googleapis.com/", ""),
        ("file:///b", "http://127.0.0.1:9000", ""),
    ],
)
def test_every_other_endpoint_is_told_apart(root, endpoint_url, identity):
    assert endpoint_identity(root, endpoint_url) == identity


def test_the_region_alone_tells_china_apart():
    assert endpoint_identity("s3://b", None, "cn-north-1") == "cn"
    assert endpoint_identity("s3://b", None, "eu-west-1") == ""


def write_journal_of_version_3(home, *, root, items):
    """As Outbox 0.2 left it before endpoints were recorded."""
    with Journal.opened(home, job="J", root="s3://x", create=True) as journal:
        plan(journal, items)
    path = journal_path(home, JobPlace(job="J", root="s3://x"))
    old = sqlite3.connect(path)
    old.execute("ALTER TABLE about DROP COLUMN endpoint")
    old.execute("UPDATE about SET root = ?", (root,))
    old.execute("PRAGMA user_version = 3")
    old.commit()
    old.close()
    digest = hashlib.sha256(f"J\n{root}".encode()).hexdigest()
    path.rename(path.with_name(f"J-{digest[:16]}.sqlite3"))


@pytest.mark.parametrize(
    ("written", "root", "endpoint"),
    [
        ("s3://b", "s3://b", "http://127.0.0.1:9000"),
        ("s3://b", "s3://b", ""),
        ("file:///my results", "file:///my%20results", ""),
    ],
)
def test_a_journal_without_an_endpoint_is_found_and_becomes_its_buckets(
    tmp_path, written, root, endpoint
):
    write_journal_of_version_3(tmp_path, root=written, items="ab")
    (listed,) = list_jobs(tmp_path)[0]
    assert listed.counts == {State.PLANNED: 2}
    for _ in range(2):
        with Journal.opened(tmp_path, job="J", root=root, endpoint=endpoint) as journal:
            assert journal.counts() == {State.PLANNED: 2}
    another = "http://127.0.0.1:1"
    with (
        pytest.raises(UnknownJobError, match="but to"),
        Journal.opened(tmp_path, job="J", root="s3://b", endpoint=another),
    ):
        pass


def test_a_job_that_is_not_here_is_told_with_those_that_are(tmp_path):
    for job in ("march", "april"):
        with Journal.opened(tmp_path, job=job, root="s3://b", create=True):
            pass
    (tmp_path / "jobs" / "damaged-1.sqlite3").write_bytes(b"no journal" * 100)

    def said(job, root="s3://b"):
        with (
            pytest.raises(UnknownJobError) as unknown,
            Journal.opened(tmp_path, job=job, root=root),
        ):
            pass
        return str(unknown.value)

    assert "did you mean 'march'?" in said("marhc")
    assert "jobs there: 'april', 'march'" in said("x")
    assert "jobs there: none" in said("x", "s3://other")
    assert "but to s3://b: name that bucket" in said("march", "s3://other")


def test_a_journal_of_another_version_is_refused_with_the_remedy(tmp_path):
    path = journal_path(tmp_path, JobPlace(job="J", root="s3://b"))
    path.parent.mkdir()
    old = sqlite3.connect(path)
    old.execute("CREATE TABLE about (job TEXT)")
    old.close()
    with (
        pytest.raises(JournalError, match=r"delete it .* and submit the job again"),
        Journal.opened(tmp_path, job="J", root="s3://b"),
    ):
        pass
