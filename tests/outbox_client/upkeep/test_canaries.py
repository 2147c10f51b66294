"""What doctor says of its canaries, whatever becomes of them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import HTTPException

from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.errors import (
    RefusedRequestError,
    ServiceError,
    ServiceUnavailableError,
)
from outbox_client.policies import Purpose, policy
from outbox_client.service.api import RequestStatus
from outbox_client.upkeep.canaries import Trial
from outbox_client.upkeep.canary_checks import check_by_canaries
from outbox_client.upkeep.checks import Finding, check_deployed, check_listing
from tests.asking_outbox import settings
from tests.outbox_client.iam import new_user
from tests.outbox_client.upkeep.library_service import LibraryService
from truss_outbox import Outbox
from truss_outbox.contract.root import Root
from truss_outbox.stores import open_store

ALL_WELL = {
    "async canary": "the service says SUCCEEDED",
    "request id": "the id of the answer is the one",
    "retry canary": "its first attempt failed as asked",
    "retry id": "the same id",
    "sync canary": "answered by the pointer",
    "model told": "environment none, truss_outbox ",
    "clean up": "are gone",
}
LOST = ServiceUnavailableError("the service does not answer (ReadError)")


@pytest.fixture
def place(tmp_path: Path) -> str:
    return f"file://{tmp_path}/bucket"


@pytest.fixture
def model(place: str) -> LibraryService:
    return LibraryService(Outbox(settings=settings(), bucket=open_store(place)))


@pytest.fixture
def try_out(model, place, naming, time):
    """Every check by its name, as its finding and what it says."""

    def try_out(*, version=None, root=place, timeout_seconds=60, bucket=None, naming=naming):
        trial = Trial(
            api=model,
            bucket=bucket or open_bucket(root),
            naming=naming,
            ask_time=lambda: datetime.now(UTC),
            timeout_seconds=timeout_seconds,
            clock=time.clock,
        )
        checks = list(check_by_canaries(trial, model_version=version))
        try_out.document = [canary.document() for canary in trial.canaries]
        json.dumps(try_out.document)
        assert list(ALL_WELL) == [check.name for check in checks]
        return {check.name: (check.finding, check.said) for check in checks}

    return try_out


def wrong(said):
    return {name for name, (finding, _) in said.items() if finding is Finding.WRONG}


def unknown(said):
    return {name for name, (finding, _) in said.items() if finding is Finding.UNKNOWN}


def left_in(place):
    return [path for path in Path(place.removeprefix("file://")).rglob("*") if path.is_file()]


def test_all_is_well(try_out, place):
    said = try_out(version="1")
    assert not wrong(said) | unknown(said), said
    for name, text in ALL_WELL.items():
        assert text in said[name][1]
    assert left_in(place) == []
    plain, retried, called = try_out.document
    assert plain["status"] == "SUCCEEDED"
    assert plain["manifest"]["result"]["request_id"] == plain["answered_id"]
    assert [one["code"] for one in retried["failures"]] == ["CANARY"]
    assert called["answered_manifest"].startswith(place)


def test_the_metadata_are_in_the_models_own_field(try_out, model, naming):
    model.outbox.settings = settings(metadata_field="outbox")
    assert wrong(try_out()) == {"async canary", "retry canary", "sync canary"}
    assert not wrong(try_out(naming=replace(naming, metadata_field="outbox")))


def test_a_canary_that_stays_behind_is_not_compared_with_the_key_template(model, place, naming):
    canary = {"job": "outbox-doctor", "item": "left", "canary": {}}
    model.answer({"metadata": canary}, "r")
    bucket = open_bucket(place)
    _, seen = check_listing(bucket)
    assert len(seen) == 1
    (check,) = check_deployed(bucket, seen, naming=naming, model_version=None)
    assert check.finding is Finding.UNKNOWN


def test_an_id_with_something_appended_is_shown(try_out, model):
    model.suffix = ":0"
    said = try_out()
    assert not wrong(said)
    model.received = lambda request_id, attempt: f"{request_id}:{attempt}"
    said = try_out()
    assert said["request id"][0] is Finding.OK
    assert "the same up to the colon" in said["request id"][1]


@pytest.mark.parametrize(
    ("received", "named", "text"),
    [
        (lambda _, __: None, {"request id", "retry id"}, "the model received none"),
        (lambda one, _: f"x{one}", {"request id"}, "the model received x"),
        (lambda one, at: one if at == 1 else f"{at}{one}", {"retry id"}, None),
    ],
)
def test_an_id_that_the_sender_was_not_told_is_named(try_out, model, received, named, text):
    model.received = received
    said = try_out()
    assert wrong(said) == named
    assert text is None or text in said["request id"][1]
    for name in named:
        assert "name every item" in said[name][1]


def test_a_lost_answer_is_named_and_its_request_is_found(try_out, model, place):
    model.lost = [LOST]
    said = try_out()
    assert wrong(said) == {"async canary"}
    assert (
        "answer to the submit is lost, and the request ran all the same" in said["async canary"][1]
    )
    assert unknown(said) == {"request id"}
    assert left_in(place) == []


def test_a_lost_answer_of_a_request_that_never_runs_is_waited_for_with_a_bound(
    try_out, model, time
):
    model.refusals = [LOST]
    said = try_out(timeout_seconds=60)
    assert "nobody knows whether the request ran" in said["async canary"][1]
    assert 60 <= sum(time.slept) < 65


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ServiceUnavailableError("down (HTTP 503)", status=503), "run doctor again"),
        (RefusedRequestError("refused (HTTP 413)", status=413), "refused (HTTP 413)"),
        (ServiceError("check model and environment (HTTP 404)", status=404), "HTTP 404"),
        (ServiceError("the service's answer is not that of Baseten's API"), "@stored"),
    ],
)
def test_a_submit_that_is_refused_is_not_waited_for(try_out, model, time, error, text):
    model.refusals = [error, error]
    said = try_out()
    assert wrong(said) == {"async canary", "retry canary"}
    assert text in said["async canary"][1]
    assert said["retry canary"][1] == "as the async canary"
    assert not time.slept


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (LOST, "the model is busy, or not up"),
        (ServiceError("not allowed (HTTP 405)", status=405), "HTTP 405"),
        (ServiceError("the service's answer is not that of Baseten's API"), "@stored"),
    ],
)
def test_a_synchronous_call_that_is_refused_is_named(try_out, model, error, text):
    model.sync = error
    said = try_out()
    assert wrong(said) == {"sync canary"}
    assert text in said["sync canary"][1]


def test_a_model_that_is_not_up_is_named_and_what_waits_is_canceled(try_out, model):
    model.held = True
    said = try_out(timeout_seconds=60)
    assert wrong(said) == {"async canary", "retry canary"}
    assert "waited in the queue for 60 s: the model is not up" in said["async canary"][1]
    assert "--timeout" in said["async canary"][1]
    assert len(model.canceled) == 2


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("SUCCEEDED", "says that it succeeded, and no manifest came"),
        ("WEBHOOK_FAILED", "says that it succeeded, and no manifest came"),
        ("IN_PROGRESS", "is not done after 60 s"),
        ("EXPIRED", "waited in the queue"),
        ("CANCELED", "its status is CANCELED"),
    ],
)
def test_a_request_without_a_manifest_is_explained_by_its_status(try_out, model, status, text):
    model.status = lambda _: RequestStatus(status=status)
    said = try_out(timeout_seconds=60)
    assert {"async canary", "retry canary"} <= wrong(said)
    assert text in said["async canary"][1]


def test_a_service_that_never_tells_a_status_is_bounded(try_out, model, time):
    def status(_):
        raise ServiceUnavailableError("rate limit (HTTP 429)", status=429)

    model.status = status
    said = try_out(timeout_seconds=60)
    assert "its status is unknown, and no manifest came in 60 s" in said["async canary"][1]
    assert sum(time.slept) < 65


def test_a_status_that_stays_behind_its_result_is_not_waited_for_long(try_out, model, time):
    run = model.status

    def status(request_id):
        run(request_id)
        return RequestStatus(status="IN_PROGRESS")

    model.status = status
    said = try_out(timeout_seconds=300)
    assert not wrong(said)
    assert "the service says IN_PROGRESS" in said["async canary"][1]
    assert 30 <= sum(time.slept) < 35


def test_a_result_that_the_service_calls_failed_is_named(try_out, model):
    run = model.status

    def status(request_id):
        run(request_id)
        return RequestStatus(status="FAILED", errors=(("MODEL_PREDICT_TIMEOUT", "too late"),))

    model.status = status
    said = try_out()
    assert (
        "and the service says FAILED (MODEL_PREDICT_TIMEOUT: too late)" in said["async canary"][1]
    )


def test_a_service_that_does_not_repeat_is_named(try_out, model, place):
    model.repeats = False
    said = try_out()
    assert wrong(said) == {"retry canary"}
    assert "did not repeat the attempt that failed" in said["retry canary"][1]
    assert left_in(place) == []


def test_a_library_that_knows_no_canaries_is_named(try_out, model, place):
    answer = model.answer

    def refuse(model_input, received):
        metadata = dict(model_input["metadata"]) | {"canary": {"old": 1}}
        try:
            return answer({"metadata": metadata}, received)
        except HTTPException as error:
            old = "INVALID_INPUT: metadata.canary: unknown field; remove it or check its spelling"
            raise HTTPException(error.status_code, old) from error

    model.answer = refuse
    said = try_out()
    assert wrong(said) == {"async canary", "retry canary", "sync canary"}
    for name in wrong(said) - {"retry canary"}:
        assert "the model's library is too old to know canaries" in said[name][1]
    # The refusals lie below the requests' ids, which are known of those that were submitted.
    assert len(left_in(place)) == 1


def test_a_model_that_fails_without_a_record_is_named(try_out, model):
    def fail(*_):
        raise HTTPException(500, "Internal Server Error")

    model.answer = fail
    said = try_out()
    assert wrong(said) == {"async canary", "retry canary", "sync canary"}
    assert "left no failure record: the model does not use the library" in said["async canary"][1]


def test_a_model_that_answers_something_else_is_named(try_out, model):
    model.answer = lambda *_: {"manifest": "a ship's"}
    said = try_out()
    assert "the answer is no pointer" in said["sync canary"][1]


def test_another_root_is_named_and_what_stays_there(try_out, place, time):
    said = try_out(root=f"{place}-of-others")
    assert not time.slept  # what has ended is not waited for
    assert f"the model's root is {place}, the one here {place}-of-others" in said["sync canary"][1]
    assert said["clean up"][0] is Finding.UNKNOWN
    assert place in said["clean up"][1]


def test_a_pointer_into_another_bucket_of_the_same_name_is_named(try_out, model, place):
    answer = model.answer

    def answer_and_lose(model_input, received):
        pointer = answer(model_input, received)
        for path in left_in(place):
            path.unlink()
        return pointer

    model.answer = answer_and_lose
    said = try_out()
    assert "check that endpoint_url is the model's" in said["sync canary"][1]


def test_a_damaged_result_is_named(try_out, model, place):
    answer = model.answer

    def answer_and_damage(model_input, received):
        pointer = answer(model_input, received)
        for path in left_in(place):
            if path.name == "canary.txt":
                path.write_bytes(b"short")
        return pointer

    model.answer = answer_and_damage
    said = try_out()
    assert wrong(said) == {"async canary", "retry canary", "sync canary"}
    assert "canary.txt" in said["sync canary"][1]
    assert left_in(place) == []


def test_a_missing_failure_record_is_named(try_out, model, place):
    answer = model.answer

    def answer_and_forget(model_input, received):
        try:
            return answer(model_input, received)
        except HTTPException:
            (record,) = Path(place.removeprefix("file://"), "failures").rglob("*.json")
            pointer = answer(model_input, received)
            record.unlink()
            return pointer

    model.answer = answer_and_forget
    said = try_out()
    assert wrong(said) == {"retry canary"}
    assert "--for writer" in said["retry canary"][1]


@pytest.mark.parametrize(
    ("version", "environment", "text"),
    [
        ("2", None, "its version is '1', here '2': `truss push`"),
        ("1", "staging", "it serves the environment staging"),
    ],
)
def test_what_the_model_tells_is_compared(try_out, model, naming, version, environment, text):
    model.outbox.environment = lambda: environment
    said = try_out(version=version, naming=replace(naming, environment="production"))
    assert wrong(said) == {"model told"}
    assert text in said["model told"][1]


def test_a_deployment_may_serve_an_environment_that_nobody_has_said(try_out, model):
    model.outbox.environment = lambda: "staging"
    said = try_out()  # a naming without an environment, as --deployment makes it
    assert "environment staging" in said["model told"][1]
    assert not wrong(said)


def test_a_client_may_delete_its_canaries_and_a_reader_is_told_that_they_stay(
    try_out, model, seaweedfs, seaweedfs_options, root, monkeypatch
):
    model.outbox = Outbox(settings=settings(), bucket=open_store(root, s3=seaweedfs_options))
    with new_user(seaweedfs) as user:
        for name, value in user.environment.items():
            monkeypatch.setenv(name, value)
        for purpose, finding in {
            Purpose.CLIENT: Finding.OK,
            Purpose.READER: Finding.UNKNOWN,
        }.items():
            user.may(policy(purpose, Root.parse(root)))
            bucket = open_bucket(root, endpoint_url=seaweedfs.endpoint_url)
            said = try_out(bucket=bucket)
            assert not wrong(said), purpose
            assert said["clean up"][0] is finding
    assert "--for client" in said["clean up"][1]
    assert "stay behind, such as manifests/outbox-doctor/" in said["clean up"][1]


def test_an_interrupted_doctor_leaves_nothing(model, place, naming, time):
    trial = Trial(
        api=model,
        bucket=open_bucket(place),
        naming=naming,
        ask_time=lambda: None,
        timeout_seconds=60,
        clock=time.clock,
    )
    checks = check_by_canaries(trial, model_version=None)
    next(checks)
    assert left_in(place)
    with pytest.raises(KeyboardInterrupt):
        checks.throw(KeyboardInterrupt)
    assert left_in(place) == []
