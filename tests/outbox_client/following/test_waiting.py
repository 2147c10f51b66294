"""How the end of an item is found out."""

import dataclasses
import datetime

import pytest

from outbox_client import Batch, Deployment, Journal, State, find_items, status, submit, wait
from outbox_client.errors import ServiceUnavailableError, WaitTimeoutError
from outbox_client.journal.entries import Begun, Settlement, planned_row
from outbox_client.service.api import QueueStatus, RequestStatus
from tests.outbox_client.fake_service import MODEL
from truss_outbox.contract.manifest import Failure
from truss_outbox.stores.commit import record_failure


@pytest.fixture
def sent(documents, deployment, journal, time, service):
    """One document, submitted and still queued; returns its entry."""
    service.held = True
    items = find_items([documents / "a.txt"])
    submit(items, Batch(job=journal.job), deployment=deployment, journal=journal, clock=time.clock)
    (entry,) = journal.entries()
    return entry


@pytest.fixture
def end(deployment, journal, time):
    """Waits; returns the one entry as it ended."""

    def end(timeout_seconds=300):
        (entry,) = wait(
            journal, deployment=deployment, timeout_seconds=timeout_seconds, clock=time.clock
        )
        return entry

    return end


def failure(entry, *, request_id=None, retryable=False, code="BAD_DOCUMENT", attempt="0" * 8):
    return Failure(
        key=entry.key,
        request_id=request_id or entry.request_id,
        attempt=attempt,
        code=code,
        message="document: is not one",
        retryable=retryable,
        model=MODEL,
        created_at=datetime.datetime.now(datetime.UTC),
    )


def test_a_result_is_seen_without_asking_the_service(sent, end, time, service):
    time.on_sleep = service.run_queued
    assert end().state is State.SUCCEEDED
    assert service.status_calls == 0


def test_looks_grow_apart_to_two_seconds(sent, end, time, service):
    with pytest.raises(WaitTimeoutError):
        end(timeout_seconds=60)
    assert time.slept[0] < 0.7
    assert max(time.slept) == 2.0
    assert sum(time.slept) == pytest.approx(60)


def test_a_request_that_takes_its_time_in_the_queue_is_not_asked_about(sent, end, service):
    with pytest.raises(WaitTimeoutError):
        end(timeout_seconds=25)
    assert service.status_calls == 0


def test_a_request_that_takes_far_longer_is_asked_about_less_and_less_often(
    sent, end, service, time
):
    asked_at = []
    answer = service.status

    def status(request_id):
        asked_at.append(time.now)
        return answer(request_id)

    service.status = status
    with pytest.raises(WaitTimeoutError):
        end(timeout_seconds=300)
    assert len(asked_at) <= 10
    assert asked_at[0] >= sent.submitted_at + 30
    assert asked_at[-1] - asked_at[-2] >= 60


def test_once_the_queue_is_empty_what_has_no_result_is_asked_about_soon(sent, end, service, time):
    service.statuses[sent.request_id] = RequestStatus(status="FAILED")
    assert end().state is State.FAILED
    assert time.now < sent.submitted_at + 15


def test_a_final_failure_record_ends_the_item_without_asking(sent, end, service):
    record_failure(service.store, failure(sent))
    entry = end()
    assert (entry.state, entry.code) == (State.FAILED, "BAD_DOCUMENT")
    assert entry.message == "document: is not one"
    assert service.status_calls == 0


def test_a_failure_that_may_be_repeated_is_not_the_end(sent, end, service, time):
    record_failure(service.store, failure(sent, retryable=True, code="STORE_UNAVAILABLE"))
    time.on_sleep = service.run_queued
    assert end().state is State.SUCCEEDED


def test_the_last_of_several_failures_gives_the_reason(sent, end, service):
    record_failure(service.store, failure(sent, retryable=True, code="FIRST"))
    record_failure(service.store, failure(sent, retryable=True, code="LAST", attempt="1" * 8))
    service.statuses[sent.request_id] = RequestStatus(status="FAILED")
    assert end().code == "LAST"


def test_the_failure_of_an_earlier_request_does_not_count(sent, end, service, time):
    record_failure(service.store, failure(sent, request_id="an-earlier-one"))
    time.on_sleep = service.run_queued
    assert end().state is State.SUCCEEDED


def test_a_failure_counts_whatever_a_route_appends_to_the_id(sent, end, service):
    record_failure(service.store, failure(sent, request_id=f"{sent.request_id}:1"))
    assert end().state is State.FAILED


@pytest.mark.parametrize(
    ("said", "state"),
    [("EXPIRED", State.EXPIRED), ("CANCELED", State.CANCELED), ("FAILED", State.FAILED)],
)
def test_what_the_service_ends_without_a_record_is_final(sent, end, service, said, state):
    service.statuses[sent.request_id] = RequestStatus(status=said)
    entry = end()
    assert entry.state is state
    assert entry.code == said
    assert entry.message


def test_the_services_own_reason_is_kept(sent, end, service):
    errors = (("MODEL_PREDICT_TIMEOUT", "took more than an hour"),)
    service.statuses[sent.request_id] = RequestStatus(status="FAILED", errors=errors)
    entry = end()
    assert (entry.code, entry.message) == errors[0]


def test_a_request_the_service_forgot_is_unknown_unless_its_result_is_there(
    sent, end, service, time
):
    service.statuses.clear()
    assert end().state is State.UNKNOWN
    service.run(sent.request_id)
    assert end().state is State.SUCCEEDED


def test_a_result_that_appears_after_the_services_last_word_counts(sent, end, service, time):
    def store_late():
        if time.now > sent.submitted_at + 20:
            service.run(sent.request_id)

    service.statuses[sent.request_id] = RequestStatus(status="SUCCEEDED")
    time.on_sleep = store_late
    assert end().state is State.SUCCEEDED


@pytest.mark.parametrize("said", ["SUCCEEDED", "WEBHOOK_FAILED"])
def test_success_without_a_result_is_unknown_in_the_end(sent, end, service, time, said):
    service.statuses[sent.request_id] = RequestStatus(status=said)
    entry = end()
    assert entry.state is State.UNKNOWN
    assert "root and key_template" in entry.message
    assert time.now < sent.submitted_at + 60


def test_an_unreachable_service_does_not_stop_the_watch(sent, end, service, time, monkeypatch):
    def down(request_id):
        raise ServiceUnavailableError("the service has a fault (HTTP 503)", status=503)

    def store_after_a_while():
        if time.now > sent.submitted_at + 20:
            service.run_queued()

    monkeypatch.setattr(service, "status", down)
    time.on_sleep = store_after_a_while
    assert end().state is State.SUCCEEDED


def test_what_was_found_out_about_an_earlier_request_does_not_end_the_later(
    sent, journal, deployment, documents, time
):
    items = find_items([documents / "a.txt"])
    submit(items, Batch(job=journal.job), deployment=deployment, journal=journal, clock=time.clock)
    journal.settle(Settlement(item="a.txt", state=State.FAILED, request_id=sent.request_id))
    (entry,) = journal.entries()
    assert entry.state is State.SENT


def test_trouble_with_the_service_is_told_once(sent, service, deployment, journal, time):
    def down(request_id):
        raise ServiceUnavailableError("the service has a fault (HTTP 503)", status=503)

    service.status = down
    notes = []

    def note(event):
        if event.note:
            notes.append(event.note)

    with pytest.raises(WaitTimeoutError):
        wait(
            journal,
            deployment=deployment,
            timeout_seconds=60,
            progress=note,
            clock=time.clock,
        )
    assert notes == ["the service has a fault (HTTP 503); still watching the bucket"]


def test_a_conflict_stays_open_until_the_request_has_ended(
    sent, end, service, deployment, journal, documents, time
):
    service.run_queued()
    (documents / "a.txt").write_bytes(b"another")
    items = find_items([documents / "a.txt"])
    submit(items, Batch(job=journal.job), deployment=deployment, journal=journal, clock=time.clock)
    with pytest.raises(WaitTimeoutError):
        end(timeout_seconds=30)

    (entry,) = journal.entries()
    service.statuses[entry.request_id] = RequestStatus(status="FAILED")
    entry = end()
    assert (entry.state, entry.code) == (State.FAILED, "KEY_CONFLICT")


def test_a_request_whose_answer_was_lost_is_found_by_its_key(
    documents, deployment, journal, time, service
):
    key = f"job={journal.job}/a.txt"
    (item,) = find_items([documents / "a.txt"])
    journal.plan(Batch(job=journal.job), [planned_row(item, key)])
    journal.begin_submits(
        [Begun(item="a.txt", key=key, digest="0" * 64, size=5, submitted_at=time.now)]
    )
    (before,) = journal.entries()
    (entry,) = wait(journal, deployment=deployment, timeout_seconds=300, clock=time.clock)
    assert before.state is State.SENDING
    assert (entry.state, entry.code) == (State.UNKNOWN, "NOT_SENT")
    # It had arrived all the same:
    body = {"document": {"base64": "eA=="}, "metadata": {"job": journal.job, "item": "a.txt"}}
    service.submit({"model_input": body})
    (entry,) = wait(journal, deployment=deployment, timeout_seconds=300, clock=time.clock)
    assert entry.state is State.SUCCEEDED


def test_an_earlier_result_of_the_same_input_ends_the_wait_at_once(
    sent, end, service, deployment, journal, documents, time
):
    service.run_queued()
    items = find_items([documents / "a.txt"])
    submit(items, Batch(job=journal.job), deployment=deployment, journal=journal, clock=time.clock)
    time.slept.clear()
    assert end().state is State.SUCCEEDED
    assert time.slept == []


def submitted_again(documents, deployment, journal, time) -> Deployment:
    """To a deployment that is said to be of version 2; the fake model is of version 1."""
    deployment = dataclasses.replace(deployment, model_version="2")
    items = find_items([documents / "a.txt"])
    submit(items, Batch(job=journal.job), deployment=deployment, journal=journal, clock=time.clock)
    return deployment


def test_an_earlier_versions_result_is_not_taken_for_the_deployed_versions(
    sent, service, deployment, journal, documents, time
):
    service.run_queued()
    service.held = True
    deployment = submitted_again(documents, deployment, journal, time)
    (entry,) = journal.entries()
    service.fail(entry.request_id, entry.key, code="KEY_CONFLICT", message="another version")
    (entry,) = wait(journal, deployment=deployment, timeout_seconds=300, clock=time.clock)
    assert (entry.state, entry.code) == (State.FAILED, "KEY_CONFLICT")


def test_the_services_success_overrules_what_the_configuration_says_of_the_version(
    sent, service, deployment, journal, documents, time
):
    service.run_queued()
    deployment = submitted_again(documents, deployment, journal, time)
    service.run_queued()
    (entry,) = wait(journal, deployment=deployment, timeout_seconds=300, clock=time.clock)
    assert entry.state is State.SUCCEEDED


def test_a_changed_input_is_compared_even_if_its_result_came_after_the_submit(
    sent, end, service, deployment, journal, documents, time
):
    # The first submit is still queued when another document takes its name.
    (documents / "a.txt").write_bytes(b"another")
    items = find_items([documents / "a.txt"])
    submit(items, Batch(job=journal.job), deployment=deployment, journal=journal, clock=time.clock)
    time.on_sleep = service.run_queued
    entry = end()
    assert (entry.state, entry.code) == (State.FAILED, "KEY_CONFLICT")


def test_a_template_with_the_request_id_is_tracked_too(
    documents, service, deployment, journal, time, root
):
    import dataclasses

    from outbox_client import Naming
    from truss_outbox.contract.keys import KeyTemplate

    naming = Naming(template=KeyTemplate.parse("by-id/{request_id}"))
    service.naming = naming
    by_id = dataclasses.replace(deployment, naming=naming)
    items = find_items([documents])
    submit(items, Batch(job=journal.job), deployment=by_id, journal=journal, clock=time.clock)
    entries = wait(journal, deployment=by_id, timeout_seconds=60, clock=time.clock)
    assert {entry.key for entry in entries} == {f"by-id/{entry.request_id}" for entry in entries}
    assert all(entry.state is State.SUCCEEDED for entry in entries)


def test_status_tells_of_the_queue_what_is_open(sent, deployment, journal, service, time):
    stands = status(journal, deployment=deployment, clock=time.clock)
    assert stands.account.counts == {State.SENT: 1}
    assert stands.queue == QueueStatus(queued=1, in_progress=0)
    service.run_queued()
    stands = status(journal, deployment=deployment, clock=time.clock)
    assert stands.account.counts == {State.SUCCEEDED: 1}


def test_a_job_of_another_bucket_has_a_journal_of_its_own(tmp_path):
    for root in ("s3://one", "s3://two"):
        with Journal.opened(tmp_path, job="J", root=root, create=True) as journal:
            assert list(journal.entries()) == []
