"""A decorated model in time: its limit and its health, and callers who do not wait for it."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from tests.waiting import until


def test_an_inference_has_a_limit_and_what_goes_on_is_not_healthy(shapes):
    server = shapes["slow"]
    answer = server.ask({"metadata": {"job": "J", "item": "I"}, "wait": True})
    assert (answer.status_code, "max_inference_seconds" in answer.json()["error"]) == (504, True)
    (failure,) = server.failures("I")
    assert (failure.code, failure.retryable) == ("INFERENCE_TIMEOUT", True)
    # Its thread may have begun later than its time.
    until(lambda: server.get("/v1/models/model").status_code == 503, "the model is not healthy")
    server.ask({"release": True})
    until(lambda: server.get("/v1/models/model").status_code == 200, "the model is healthy")
    assert not (server.directory / "manifests/job=J/I.json").exists()
    # What is not stored is left alone, as without the decorator.
    assert server.ask({}).json() == "done"


def test_an_async_inference_is_cancelled_at_its_limit(shapes):
    server = shapes["slow async"]
    assert server.ask({"metadata": {"job": "J", "item": "I"}}).status_code == 504
    assert server.get("/v1/models/model").status_code == 200


WAITING = {"waiting": "AbandonedError", "waiting async": "CancelledError"}


def hang_up_during(server, body, begun):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    headers = {"content-type": "application/json", "x-baseten-request-id": "r1"}
    connection.request("POST", "/v1/models/model:predict", json.dumps(body), headers)
    until(begun.exists, "predict")
    connection.close()


@pytest.mark.parametrize(("name", "error"), WAITING.items(), ids=WAITING)
def test_what_is_not_stored_ends_when_its_caller_has_gone(shapes, tmp_path, name, error):
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    body = {"begun": str(begun), "ended": str(ended), "seconds": 60}
    hang_up_during(shapes[name], body, begun)
    until(lambda: ended.exists() and ended.read_text() == error, "its end", seconds=10)
    assert shapes[name].ask(body | {"seconds": 0}).json() == "done"


@pytest.mark.parametrize("name", WAITING)
def test_what_is_stored_goes_on_when_its_caller_has_gone(shapes, tmp_path, name):
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    body = {"begun": str(begun), "ended": str(ended), "seconds": 1.2}
    hang_up_during(shapes[name], body | {"metadata": {"job": "J", "item": "I"}}, begun)
    until((shapes[name].directory / "manifests/job=J/I.json").exists, "the manifest", seconds=10)
    assert shapes[name].manifest("I").result == "done"
    assert not ended.exists()
