import contextlib
import sqlite3

import pytest

from local_baseten.errors import QueueVersionError
from local_baseten.request_queue.database import Database
from local_baseten.request_queue.request import RequestError, Status
from local_baseten.request_queue.requests import CLAIM_SECONDS, RequestQueue

ERROR = RequestError(code="MODEL_PREDICT_ERROR", message="no")


def claimed(queue: RequestQueue) -> list[str]:
    names = []
    while request := queue.claim():
        names.append(request.request_id)
    return names


def test_what_was_added_is_found_as_it_was(queue, add):
    request = add("a", priority=2)

    assert queue.find("a") == request


def test_lower_priorities_go_first_then_first_come_first_served(queue, add):
    for name, priority in [("c", 1), ("e", 2), ("a", 0), ("d", 1), ("f", 2), ("b", 0)]:
        add(name, priority=priority)

    assert claimed(queue) == ["a", "b", "c", "d", "e", "f"]


def test_a_claimed_request_is_in_progress_and_claimed_once(queue, clock, add):
    add("a")
    clock.now += 5

    request = queue.claim()

    assert (request.status, request.status_at) == (Status.IN_PROGRESS, clock.now)
    assert queue.claim() is None


def test_a_request_expires_when_its_time_in_the_queue_is_over(queue, clock, add):
    request = add("a", max_time_in_queue_seconds=10)
    clock.now += 9.999
    assert queue.find("a").status == Status.QUEUED

    clock.now = request.expires_at

    assert queue.claim() is None
    assert (queue.find("a").status, queue.find("a").status_at) == (
        Status.EXPIRED,
        request.expires_at,
    )


def test_a_request_that_has_run_does_not_expire(queue, clock, add):
    add("a", max_time_in_queue_seconds=10)
    queue.retry(queue.claim(), ERROR, delay_seconds=20)

    clock.now += 20

    assert queue.claim().request_id == "a"


def test_a_retry_is_due_after_its_delay_and_goes_before_who_came_later(queue, clock, add):
    first = add("first")
    add("second")
    queue.retry(queue.claim(), ERROR, delay_seconds=5)
    assert queue.find("first").status == Status.IN_PROGRESS
    assert queue.find("first").error == ERROR
    assert queue.claim().request_id == "second"
    add("third")
    assert claimed(queue) == ["third"]
    add("fourth")

    assert queue.seconds_until_due() == 0
    clock.now += 5

    assert claimed(queue) == ["first", "fourth"]
    assert queue.find(first.request_id).attempts == 1


def test_until_a_retry_is_due_its_delay_is_told(queue, clock, add):
    assert queue.seconds_until_due() is None
    add("a")
    queue.retry(queue.claim(), ERROR, delay_seconds=5)

    clock.now += 2

    assert queue.seconds_until_due() == pytest.approx(3)


def test_a_request_put_back_has_used_no_attempt(queue, clock, add):
    add("a")
    queue.put_back(queue.claim(), delay_seconds=0.1)

    clock.now += 0.2

    assert queue.claim().attempts == 0


def test_success_after_a_failed_attempt_leaves_no_error(queue, clock, add):
    add("a")
    queue.retry(queue.claim(), ERROR, delay_seconds=0)
    queue.succeed(queue.claim())

    request = queue.find("a")

    assert (request.status, request.error, request.attempts) == (Status.SUCCEEDED, None, 2)


@pytest.mark.parametrize("how", ["succeed", "fail", "cancel", "expire"])
def test_the_input_is_not_kept_beyond_the_end(queue, clock, add, how):
    request = add("a", max_time_in_queue_seconds=10)
    match how:
        case "succeed":
            queue.succeed(queue.claim())
        case "fail":
            queue.fail(queue.claim(), ERROR)
        case "cancel":
            queue.cancel(request.request_id)
        case "expire":
            clock.now += 10

    assert queue.find("a").model_input == ""


def test_only_a_queued_request_can_be_canceled(queue, add):
    add("a")
    add("b")
    queue.claim()

    assert not queue.cancel("a")
    assert queue.cancel("b")
    assert not queue.cancel("b")
    assert not queue.cancel("unknown")
    assert queue.find("b").status == Status.CANCELED
    assert queue.claim() is None


def test_a_request_is_known_for_an_hour_after_its_end(queue, clock, add):
    add("ended")
    add("running", max_time_in_queue_seconds=20_000)
    queue.succeed(queue.claim())
    queue.claim()

    clock.now += 3_599
    assert queue.find("ended") is not None
    clock.now += 1

    assert queue.find("ended") is None
    assert queue.find("running") is not None


def test_what_ran_when_the_queue_was_last_open_waits_again_with_all_its_attempts(
    tmp_path, clock, database, queue, add
):
    add("queued")
    add("retrying")
    add("running")
    order = [queue.claim(), queue.claim(), queue.claim()]
    queue.put_back(order[0], delay_seconds=0)
    queue.retry(order[1], ERROR, delay_seconds=5)
    database.close()

    with contextlib.closing(Database.open(tmp_path / "queue.sqlite3")) as again:
        reopened = RequestQueue(again, clock=clock)
        first, second = reopened.claim(), reopened.claim()
        assert reopened.claim() is None
        clock.now += 5
        third = reopened.claim()

    assert [request.request_id for request in (first, second, third)] == [
        "queued",
        "running",
        "retrying",
    ]
    assert [request.attempts for request in (first, second, third)] == [0, 0, 1]


def test_an_expired_claim_is_taken_back_and_its_owner_not_heard(queue, clock, add):
    add("a")
    lost = queue.claim()
    clock.now += CLAIM_SECONDS - 1
    assert queue.claim() is None
    clock.now += 1

    again = queue.claim()

    assert (again.request_id, again.attempts) == ("a", 0)
    assert not queue.succeed(lost)
    assert not queue.fail(lost, ERROR)
    assert not queue.retry(lost, ERROR, delay_seconds=0)
    assert not queue.put_back(lost, delay_seconds=0)
    assert queue.find("a").status == Status.IN_PROGRESS
    assert queue.succeed(again)
    assert not queue.succeed(again)


def test_when_a_request_was_first_asked_of_the_model_is_kept(queue, clock, add):
    add("a")
    clock.now += 5
    first = queue.claim()
    queue.retry(first, ERROR, delay_seconds=1)
    clock.now += 1
    queue.succeed(queue.claim())

    assert queue.find("a").started_at == first.started_at == clock.now - 1


def test_the_latest_to_change_come_first_and_without_their_input(queue, clock, add):
    for name in "abc":
        add(name)
    for _ in "abc":
        clock.now += 1
        queue.claim()

    latest = queue.latest(list(Status), limit=2)

    assert [(one.request_id, one.model_input) for one in latest] == [("c", ""), ("b", "")]


def test_the_file_gives_back_what_is_free(tmp_path, queue, clock, add):
    path = tmp_path / "queue.sqlite3"
    for hour in range(6):
        for number in range(100):
            add(f"{hour} {number}", text="x" * 5_000)
            queue.succeed(queue.claim())
        clock.now += 3_600
    for _ in range(20):
        add(f"{clock.now}")
        queue.succeed(queue.claim())
        clock.now += 3_600

    # Three million characters have passed through it.
    assert path.stat().st_size < 100_000
    assert (path.parent / "queue.sqlite3-wal").stat().st_size <= 17 << 20


def test_what_comes_due_all_at_once_is_applied_in_parts_and_told_right_at_once(
    queue, clock, add, database
):
    with database.transaction():
        for number in range(1_700):
            add(f"expires {number}", max_time_in_queue_seconds=10)
        add("stays", priority=2)
    clock.now += 10

    # None of these waits for the others to be put away.
    assert queue.find("expires 1699").status == Status.EXPIRED
    assert not queue.cancel("expires 1698")
    claims = list(iter(queue.claim, None))
    while not claims and queue.seconds_until_due() == 0:
        claims = list(iter(queue.claim, None))

    assert [request.request_id for request in claims] == ["stays"]
    assert queue.counts()[Status.EXPIRED] == 1_700
    clock.now += 3_600
    assert queue.find("expires 1697") is None
    assert queue.find("stays") is not None


def test_what_was_undone_comes_due_again(queue, clock, add, database):
    add("a", max_time_in_queue_seconds=10)
    clock.now += 10
    with contextlib.suppress(LookupError), database.transaction():
        assert queue.find("a").status == Status.EXPIRED
        raise LookupError

    assert queue.claim() is None
    assert queue.find("a").status == Status.EXPIRED


def test_a_file_of_another_version_is_left_alone(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "old")) as old:
        old.execute("CREATE TABLE requests (request_id TEXT)")

    with pytest.raises(QueueVersionError, match="was made by another version"):
        Database.open(tmp_path / "old")


def test_counts_are_by_status(queue, add):
    for name in "abc":
        add(name)
    queue.claim()

    assert (queue.counts()[Status.QUEUED], queue.counts()[Status.IN_PROGRESS]) == (2, 1)


def test_an_answer_given_is_on_disk(database):
    pragmas = [
        database._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous")
    ]

    assert pragmas == ["wal", 2]
