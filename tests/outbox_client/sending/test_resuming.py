"""A job that is cut short, however that happens, goes on and loses nothing."""

import json
import random
import signal
import threading

import pytest

from outbox_client import Batch, Item, SendingLimits, State, find_items, resume, submit
from outbox_client.errors import (
    SendingStoppedError,
    ServiceUnavailableError,
    UnauthorizedError,
    UnknownJobError,
)
from outbox_client.journal.entries import planned_row
from tests.outbox_client.http_service import API_KEY
from tests.waiting import until
from truss_outbox.contract.manifest import Manifest


@pytest.fixture
def rows(tmp_path):
    """A table of so many small documents."""

    def rows(count):
        path = tmp_path / "rows.jsonl"
        with path.open("w") as file:
            for number in range(count):
                row = {"item": f"{number:04}", "document": {"base64": "eHh4"}, "number": number}
                file.write(json.dumps(row) + "\n")
        return path

    return rows


def assert_one_result_each(bucket, job, count):
    keys = list(bucket.keys(f"manifests/job={job}/"))
    items = [Manifest.from_bytes(bucket.get(key)).item for key in keys]
    assert sorted(items) == [f"{number:04}" for number in range(count)]


@pytest.mark.slow
def test_a_companion_killed_at_random_moments_loses_and_doubles_nothing(
    companion, rows, job, bucket, service, outbox
):
    pace = ("--submits-per-second", 20)
    process = companion("submit", rows(40), "--job", job, *pace)
    for sent in (random.randrange(1, 12), random.randrange(13, 25)):
        until(lambda sent=sent: len(service.bodies) >= sent, f"{sent} submits")
        process.kill()
        process.wait()
        process = companion("resume", job, *pace)
    assert process.wait(60) == 0
    assert_one_result_each(bucket, job, 40)
    assert service.inferences == 40
    answer = json.loads(outbox("wait", job, "--json").stdout)
    assert answer["counts"] == {"succeeded": 40}
    assert service.status_calls == 0


def test_ctrl_c_once_stops_cleanly_and_says_how_to_go_on(companion, rows, job, service, outbox):
    process = companion("submit", rows(30), "--job", job, "--submits-per-second", 20)
    until(lambda: len(service.bodies) > 5, "some submits")
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(30) == 130
    assert f"`outbox resume {job}` goes on" in said.splitlines()[-1]
    assert "Traceback" not in said
    counts = json.loads(outbox("status", job, "--json").stdout)["counts"]
    assert counts.get("sending", 0) == 0, "what was under way was waited for"
    assert outbox("resume", job).exit_code == 0
    assert len(service.bodies) == 30


@pytest.fixture
def items():
    """So many items that need no files."""

    def items(count):
        document = {"base64": "eHh4"}
        return (Item(name=f"{n:04}", inputs={"document": document}) for n in range(count))

    return items


@pytest.fixture
def api(base_url):
    from outbox_client.service.api import Addressee
    from outbox_client.service.baseten import connected

    with connected(api_key=API_KEY, model_id=None, base_url=base_url, addressee=Addressee()) as api:
        yield api


def test_an_answer_that_is_lost_leaves_one_result_and_no_second_inference(
    items, deployment, journal, api, faults, service, bucket, time
):
    import dataclasses

    faults.lost = range(7, 100, 10)  # one in ten
    deployment = dataclasses.replace(deployment, api=api)
    submission = submit(
        items(50),
        Batch(job=journal.job),
        deployment=deployment,
        journal=journal,
        limits=SendingLimits(submits_per_second=1000),
    )
    assert submission.sent == 50
    assert len(service.bodies) >= 55, "the lost ones were sent again"
    assert service.inferences == 50
    assert_one_result_each(bucket, journal.job, 50)


def test_a_key_that_is_revoked_in_mid_job_is_named_and_the_rest_goes_on_with_another(
    items, deployment, journal, service, time, monkeypatch
):
    real, sent = service.submit, []

    def until_revoked(body):
        if len(sent) >= 20:
            raise UnauthorizedError("the service refuses the API key (HTTP 401)", status=401)
        sent.append(body)
        return real(body)

    monkeypatch.setattr(service, "submit", until_revoked)
    with pytest.raises(UnauthorizedError) as caught:
        submit(items(50), Batch(job=journal.job), deployment=deployment, journal=journal)
    monkeypatch.setattr(service, "submit", real)
    assert "`outbox resume " in caught.value.__notes__[0]
    assert journal.counts()[State.SENT] == 20
    assert resume(journal, deployment=deployment).sent == 30
    assert journal.counts() == {State.SENT: 50}


def test_a_network_that_is_gone_for_a_while_is_waited_out(
    items, deployment, journal, service, time, monkeypatch
):
    real, down_until = service.submit, time.now + 60

    def unreachable(body):
        if time.now < down_until:
            raise ServiceUnavailableError("the service does not answer")
        return real(body)

    monkeypatch.setattr(service, "submit", unreachable)
    submission = submit(
        items(30), Batch(job=journal.job), deployment=deployment, journal=journal, clock=time.clock
    )
    assert submission.sent == 30


def test_a_clock_set_back_an_hour_holds_nothing_up(items, deployment, journal, service, time):
    import dataclasses

    began, clock = time.now, time.clock

    def now():
        return time.now - 3600 if len(service.bodies) > 10 else time.now

    submit(
        items(30),
        Batch(job=journal.job),
        deployment=deployment,
        journal=journal,
        clock=dataclasses.replace(clock, now=now),
    )
    assert journal.counts() == {State.SENT: 30}
    assert time.now - began < 5


def test_a_request_that_alone_fails_for_long_does_not_hold_up_the_others(
    items, deployment, journal, service, time, monkeypatch
):
    real, tries = service.submit, []

    def choosy(body):
        if body["model_input"]["metadata"]["item"] == "0003":
            tries.append(body)
            time.now += 11  # by its own tries alone: how soon the others come is chance
            # One passes before it fails, as a service that has taken nothing yet is one that cannot
            # be reached; the others while it fails.
            passed = 1 if len(tries) == 1 else 29
            until(lambda: len(service.bodies) >= passed, "the others")
            raise ServiceUnavailableError("the service has a fault (HTTP 500)", status=500)
        if body["model_input"]["metadata"]["item"] != "0000":
            until(lambda: len(tries) > 1, "a second try")
        return real(body)

    monkeypatch.setattr(service, "submit", choosy)
    submission = submit(
        items(30),
        Batch(job=journal.job),
        deployment=deployment,
        journal=journal,
        clock=time.clock,
        limits=SendingLimits(give_up_after=10),
    )
    assert [receipt.item for receipt in submission.refused] == ["0003"]
    assert submission.sent == 29


def test_stopping_leaves_the_rest_planned(items, deployment, journal, service):
    stop = threading.Event()

    def stop_soon(event):
        if event.done == 5:
            stop.set()

    with pytest.raises(SendingStoppedError):
        submit(
            items(150),
            Batch(job=journal.job),
            deployment=deployment,
            journal=journal,
            progress=stop_soon,
            stop=stop,
        )
    assert set(journal.counts()) == {State.SENT, State.PLANNED}
    assert resume(journal, deployment=deployment).sent > 0
    assert journal.counts() == {State.SENT: 150}


def test_a_job_that_died_before_it_noted_anything_is_to_be_submitted_again(deployment, journal):
    with pytest.raises(UnknownJobError, match="submit it again"):
        resume(journal, deployment=deployment)


def test_a_resumed_job_needs_its_sources_no_more_than_they_were_planned(
    documents, deployment, journal, service
):
    batch = Batch(job=journal.job, labels={"team": "x"}, inputs={"pages": "1"}, priority=2)
    items = [*find_items([documents]), Item(name="row", inputs={"n": 1}, labels={"own": "y"})]
    names = [item.name.replace("/", "%2F") for item in items]
    keys = [f"job={journal.job}/{name}" for name in names]
    journal.plan(batch, map(planned_row, items[:3], keys))
    assert resume(journal, deployment=deployment).sent == 3
    bodies = {body["model_input"]["metadata"]["item"]: body for body in service.bodies.values()}
    assert bodies["a.txt"]["priority"] == 2
    assert bodies["a.txt"]["model_input"]["pages"] == "1"
    assert bodies["a.txt"]["model_input"]["metadata"]["labels"] == {"team": "x"}
