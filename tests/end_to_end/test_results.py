"""What a request ends in, through the real Truss server."""

import hashlib
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.end_to_end.asking import (
    entered,
    final_status,
    metric,
    model_input,
    model_metrics,
    submit,
)
from tests.waiting import until
from truss_outbox.contract.keys import DEFAULT_TEMPLATE, KeyFields, KeyTemplate
from truss_outbox.contract.manifest import Failure
from truss_outbox.contract.metadata import RequestMetadata


def predict(api, job, item, **values):
    return api.post("/production/predict", json=model_input(job, item, **values))


def failures(bucket, job):
    return [Failure.from_bytes(bucket.get(key)) for key in bucket.keys(f"failures/job={job}/")]


def test_the_answer_points_to_a_result_that_is_in_the_bucket(api, bucket, job):
    pointer = predict(api, job, "a", text="two words").json()
    (manifest,) = bucket.manifests(job)
    assert pointer["key"] == manifest.key == f"job={job}/a"
    assert pointer["result"] == {"words": 2}
    assert pointer["manifest"] == f"s3://outbox/{bucket.prefix}/manifests/job={job}/a.json"
    words = bucket.get(f"artifacts/job={job}/a/{manifest.attempt}/words.txt")
    assert words == b"two\nwords"
    assert pointer["artifacts"][0]["sha256"] == hashlib.sha256(words).hexdigest()


def test_the_same_job_again_runs_no_inference_and_changes_no_byte(local, api, bucket, job):
    items = [f"i{number}" for number in range(5)]
    for request_id in [submit(api, job, item) for item in items]:
        assert final_status(api, request_id)["status"] == "SUCCEEDED"
    keys = bucket.keys(f"manifests/job={job}/")
    before = {key: bucket.get(key) for key in keys}
    skipped = metric(local, "outbox_inferences_skipped_total")
    stored = metric(local, "outbox_results_stored_total")
    for request_id in [submit(api, job, item) for item in items]:
        assert final_status(api, request_id)["status"] == "SUCCEEDED"
    assert metric(local, "outbox_inferences_skipped_total") == skipped + 5
    assert metric(local, "outbox_results_stored_total") == stored
    assert {key: bucket.get(key) for key in bucket.keys(f"manifests/job={job}/")} == before
    assert len(bucket.keys(f"artifacts/job={job}/")) == 2 * len(items)


def test_two_executions_at_once_end_in_one_result_that_both_return(api, bucket, job, gate):
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(predict, api, job, "a", gate=str(gate)) for _ in range(2)]
        until(lambda: entered(gate) == 2, "both executions")
        (gate / "open").touch()
        first, second = (answer.result() for answer in answers)
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    (manifest,) = bucket.manifests(job)
    attempts = {key.split("/")[3] for key in bucket.keys(f"artifacts/job={job}/")}
    assert attempts == {manifest.attempt}
    assert bucket.damage(job) == []


def test_the_same_key_with_another_document_is_refused_and_overwrites_nothing(api, bucket, job):
    first = predict(api, job, "a", text="first").json()
    answer = predict(api, job, "a", text="second")
    assert answer.status_code == 409
    assert predict(api, job, "a", text="first").json() == first
    status = final_status(api, submit(api, job, "a", text="second"))
    assert status["status"] == "FAILED"
    assert {failure.code for failure in failures(bucket, job)} == {"KEY_CONFLICT"}


def test_a_caller_who_hangs_up_during_predict_finds_the_result_all_the_same(
    local, bucket, job, gate
):
    body = json.dumps(model_input(job, "a", gate=str(gate))).encode()
    running = local.processes()
    host, port = running.model_url.removeprefix("http://").split(":")
    secret = "".join(f"{name}: {value}" for name, value in running.model_headers.items())
    with socket.create_connection((host, int(port))) as caller:
        head = f"POST /v1/models/model:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
        caller.sendall(
            f"{head}\r\n{secret}\r\nContent-Type: application/json\r\n\r\n".encode() + body
        )
        until(lambda: entered(gate), "predict")
    (gate / "open").touch()
    (manifest,) = until(lambda: bucket.manifests(job), "the commit")
    assert manifest.result == {"words": 2}
    assert bucket.damage(job) == []


def test_bad_input_fails_at_once_with_its_record(api, bucket, job):
    status = final_status(api, submit(api, job, "a", text=["no", "text"]))
    assert status["status"] == "FAILED"
    assert status["errors"][0]["code"] == "MODEL_INVALID_INPUT"
    assert "text: " in status["errors"][0]["message"]
    (failure,) = failures(bucket, job)
    assert (failure.code, failure.retryable) == ("INVALID_INPUT", False)
    assert failure.request_id == status["request_id"]
    assert bucket.keys(f"artifacts/job={job}/") == bucket.keys(f"manifests/job={job}/") == []


def test_an_inference_error_is_repeated_and_every_try_is_on_record(api, bucket, job):
    answer = api.post(
        "/production/async_predict",
        json={
            "model_input": model_input(job, "a", error="inference"),
            "inference_retry_config": {"max_attempts": 2, "initial_delay_ms": 0},
        },
    )
    status = final_status(api, answer.json()["request_id"])
    assert (status["status"], status["errors"][0]["code"]) == ("FAILED", "MODEL_PREDICT_ERROR")
    assert [f.code for f in failures(bucket, job)] == ["INFERENCE_ERROR"] * 2


AWKWARD = ["../../x", ".", "..", "a/b", "a\nb", "😀", "%2F", "x" * 200, "", ".hidden", "%", "ä ö"]


def test_awkward_metadata_lands_under_its_own_key(api, bucket, job):
    template = KeyTemplate.parse(DEFAULT_TEMPLATE)
    for item in AWKWARD:
        assert predict(api, job, item, text=item or "none").status_code == 200
    by_item = {manifest.item: manifest for manifest in bucket.manifests(job)}
    assert set(by_item) == set(AWKWARD)
    for item, manifest in by_item.items():
        metadata = RequestMetadata(job=job, item=item)
        fields = KeyFields(metadata=metadata, request_id="", model="tiny")
        assert manifest.key == template.render(fields)
    assert bucket.damage(job) == []


def test_a_bucket_that_is_away_too_long_is_503_and_nothing_is_said_to_have_succeeded(
    local, api, bucket, job, proxy
):
    path = f"/outbox/{bucket.prefix}/artifacts/job%3D{job}/"
    refused = threading.Event()
    with proxy.refusing(path, refused):
        answer = predict(api, job, "a")
    assert answer.status_code == 503
    assert refused.is_set()
    assert bucket.manifests(job) == []
    assert [f.code for f in failures(bucket, job)] == ["STORE_UNAVAILABLE"]
    assert predict(api, job, "a").status_code == 200
    assert metric(local, "outbox_store_retries_total") > 0


@pytest.mark.parametrize(
    "name",
    ["outbox_results_stored_total", "outbox_artifact_bytes_total", "outbox_upload_seconds_count",
     "outbox_store_retries_total", "outbox_inferences_skipped_total", "outbox_pending_results"],
)  # fmt: skip
def test_the_servers_own_metrics_page_shows_the_storing_side(local, api, job, name):
    predict(api, job, "a")
    assert f"\n{name} " in model_metrics(local)
