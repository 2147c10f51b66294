"""A job's account and status; retrying and canceling, of few items and of many."""

import datetime
import json

import pytest

from outbox_client import Batch, State, cancel, find_items, status, submit, wait
from outbox_client.bucket.records import account_key
from outbox_client.errors import WaitTimeoutError
from outbox_client.following.account import Account
from outbox_client.report.survey import survey
from outbox_client.sending.plan import plan_again
from outbox_client.sending.submit import resume
from outbox_client.service.api import RequestStatus
from tests.outbox_client.fake_service import MODEL
from tests.outbox_client.filling import fill_bucket, fill_journal, manifests
from truss_outbox.contract.manifest import Failure
from truss_outbox.stores.commit import record_failure


@pytest.fixture
def five(journal, service, bucket, time):
    """One item for each way to end; returns how the wait for them ends."""
    fill_journal(journal, ["good", "bad", "late", "gone", "lost"], submitted_at=time.now)
    fill_bucket(bucket, manifests(journal, ["good"]))
    fail(service, journal, "bad", code="BAD_DOCUMENT", retryable=False)
    service.statuses["r-late"] = RequestStatus(status="EXPIRED")
    service.statuses["r-gone"] = RequestStatus(status="CANCELED")
    return ["good", "bad", "late", "gone", "lost"]


def fail(service, journal, item, *, code, retryable):
    failure = Failure(
        key=f"job={journal.job}/{item}",
        request_id=f"r-{item}",
        attempt="0" * 8,
        code=code,
        message="document: is not one",
        retryable=retryable,
        model=MODEL,
        created_at=datetime.datetime.now(datetime.UTC),
    )
    record_failure(service.store, failure)


def test_the_account_counts_every_end_and_lists_what_did_not_succeed(
    five, journal, deployment, bucket, time
):
    wait(journal, deployment=deployment, timeout_seconds=300, clock=time.clock)

    account = json.loads(bucket.get(account_key(journal.job)))
    ends = {"succeeded": 1, "failed": 1, "expired": 1, "canceled": 1, "unknown": 1}
    assert (account["schema"], account["total"], account["counts"]) == ("outbox.job/v1", 5, ends)
    said = {one["item"]: (one["state"], one["code"]) for one in account["not_succeeded"]}
    assert said == {
        "bad": ("failed", "BAD_DOCUMENT"),
        "late": ("expired", "EXPIRED"),
        "gone": ("canceled", "CANCELED"),
        "lost": ("unknown", "FORGOTTEN"),
    }


def test_failed_counts_failures_and_not_what_was_canceled(
    five, journal, deployment, bucket, naming, time
):
    """While it is waited for, in its status, in its report."""
    last = {}
    wait(
        journal,
        deployment=deployment,
        timeout_seconds=300,
        clock=time.clock,
        progress=lambda event: last.update({event.phase: (event.failed, event.canceled)}),
    )
    assert last == {"wait": (3, 1)}
    found = status(journal, deployment=deployment, clock=time.clock)
    assert found.failures == {"BAD_DOCUMENT": 1, "EXPIRED": 1, "FORGOTTEN": 1}
    seen = survey(journal.job, bucket=bucket, naming=naming)
    assert (seen.failed, seen.canceled) == (3, 1)
    assert {group.code for group in seen.failures} == found.failures.keys()


def test_a_job_that_goes_on_has_no_account_and_gets_another_later(
    journal, deployment, bucket, time, service, documents
):
    items = list(find_items([documents / "a.txt"]))
    service.held = True
    submit(items, Batch(job=journal.job), deployment=deployment, journal=journal, clock=time.clock)
    with pytest.raises(WaitTimeoutError):
        wait(journal, deployment=deployment, timeout_seconds=1, clock=time.clock)
    assert not bucket.exists(account_key(journal.job))
    service.run_queued()
    wait(journal, deployment=deployment, timeout_seconds=1, clock=time.clock)
    assert json.loads(bucket.get(account_key(journal.job)))["counts"]["succeeded"] == 1


def test_a_bucket_that_refuses_the_account_spoils_nothing(
    journal, deployment, bucket, time, monkeypatch
):
    from truss_outbox.contract.errors import AccessDeniedError

    def refuse(key, data):
        raise AccessDeniedError(key, "the bucket refuses these credentials")

    fill_journal(journal, ["a"], submitted_at=time.now)
    fill_bucket(bucket, manifests(journal, ["a"]))
    monkeypatch.setattr(bucket, "put", refuse)
    notes = []
    account = wait(
        journal, deployment=deployment, clock=time.clock, progress=lambda e: notes.append(e.note)
    )
    assert account.succeeded
    assert "the job's account could not be stored" in notes[-1]


def test_status_tells_rate_rest_and_failures(journal, deployment, service, bucket, time):
    items = [f"i{number}" for number in range(10)]
    fill_journal(journal, items, submitted_at=time.now)
    fill_bucket(bucket, manifests(journal, items[:6]))
    fail(service, journal, "i6", code="BAD_DOCUMENT", retryable=False)
    for item in items[7:]:
        service.statuses[f"r-{item}"] = RequestStatus(status="QUEUED")
    committed = datetime.datetime.now(datetime.UTC).timestamp()
    time.now = committed + 2
    journal._write("UPDATE entries SET submitted_at = :at", [{"at": committed - 28}])

    stands = status(journal, deployment=deployment, clock=time.clock)

    assert stands.account.counts == {State.SUCCEEDED: 6, State.FAILED: 1, State.SENT: 3}
    assert stands.rate == pytest.approx(6 / 30, rel=0.2)
    assert stands.seconds_left == pytest.approx(3 / stands.rate)
    assert stands.queue is not None
    assert stands.queue.queued == 3
    assert stands.oldest is not None
    assert stands.oldest.seconds == pytest.approx(30, abs=2)
    assert stands.failures == {"BAD_DOCUMENT": 1}


def test_retry_sends_again_what_may_succeed_and_nothing_else(
    five, journal, deployment, service, time
):
    wait(journal, deployment=deployment, timeout_seconds=300, clock=time.clock)
    assert plan_again(journal) == 2
    planned = {entry.item for entry in journal.entries(states=[State.PLANNED])}
    assert planned == {"late", "lost"}


@pytest.mark.parametrize(("retryable", "count"), [(True, 1), (False, 0)])
def test_whether_a_retry_helps_is_said_by_the_failure_record(
    journal, deployment, service, time, retryable, count
):
    fill_journal(journal, ["a"], submitted_at=time.now)
    fail(service, journal, "a", code="ANY", retryable=retryable)
    service.statuses["r-a"] = RequestStatus(status="FAILED")
    wait(journal, deployment=deployment, timeout_seconds=300, clock=time.clock)
    assert plan_again(journal) == count


def test_a_named_item_is_retried_whatever_its_reason(five, journal, deployment, time):
    wait(journal, deployment=deployment, timeout_seconds=300, clock=time.clock)
    assert plan_again(journal, ["bad"]) == 1


def test_what_is_retried_ends_as_one_result(journal, deployment, service, documents, time):
    service.held = True
    items = list(find_items([documents / "a.txt"]))
    submit(items, Batch(job=journal.job), deployment=deployment, journal=journal, clock=time.clock)
    (entry,) = journal.entries()
    service.statuses[entry.request_id] = RequestStatus(status="EXPIRED")
    wait(journal, deployment=deployment, timeout_seconds=300, clock=time.clock)
    service.held = False
    assert plan_again(journal) == 1
    resume(journal, deployment=deployment, clock=time.clock)
    (entry,) = wait(journal, deployment=deployment, timeout_seconds=300, clock=time.clock)
    assert (entry.state, entry.attempts, service.inferences) == (State.SUCCEEDED, 2, 1)


def test_many_are_canceled_the_latest_first_and_what_is_planned_without_a_call(
    journal, service, time
):
    items = [f"i{number:04d}" for number in range(600)]
    fill_journal(journal, items, submitted_at=time.now)
    journal._write(
        "UPDATE entries SET submitted_at = submitted_at + :n WHERE item = :item",
        [{"n": number, "item": item} for number, item in enumerate(items)],
    )
    journal._write(
        "UPDATE entries SET state = 'planned', request_id = NULL WHERE item = :item",
        [{"item": item} for item in items[500:]],
    )
    for item in items[:500]:
        service.statuses[f"r-{item}"] = RequestStatus(status="QUEUED")
    service.statuses["r-i0000"] = RequestStatus(status="IN_PROGRESS")
    asked = []
    answer = service.cancel

    def canceled(request_id):
        asked.append(request_id)
        return answer(request_id)

    service.cancel = canceled
    done = cancel(journal, api=service, clock=time.clock)

    assert (len(done.canceled), done.too_late) == (599, ["i0000"])
    assert len(asked) == 500
    assert "r-i0499" in asked[:8]
    assert Account.of(journal).counts == {State.CANCELED: 599, State.SENT: 1}
    assert plan_again(journal) == 0


def test_status_may_be_watched_until_the_job_ends(
    outbox, journal, deployment, service, documents, time, job
):
    service.held = True
    items = list(find_items([documents]))
    submit(items, Batch(job=job), deployment=deployment, journal=journal, clock=time.clock)
    looks = []
    answer = service.queue_status

    def queue_status():
        looks.append(service.run_queued() if looks else None)
        return answer()

    service.queue_status = queue_status
    result = outbox("status", job, "--watch")
    first, last = result.stdout.splitlines()[0], result.stdout.splitlines()[-1]
    assert (first, last) == (f"job {job}: 3 sent", f"job {job}: 3 succeeded")
