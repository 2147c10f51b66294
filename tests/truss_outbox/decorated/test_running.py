"""A decorated model in time: its limit and its health."""

from tests.waiting import until


def test_an_inference_has_a_limit_and_what_goes_on_is_not_healthy(shapes):
    server = shapes["slow"]
    answer = server.ask({"metadata": {"job": "J", "item": "I"}, "wait": True})
    assert (answer.status_code, "max_inference_seconds" in answer.json()["error"]) == (504, True)
    (failure,) = server.failures("I")
    assert (failure.code, failure.retryable) == ("INFERENCE_TIMEOUT", True)
    assert server.get("/v1/models/model").status_code == 503
    server.ask({"release": True})
    until(lambda: server.get("/v1/models/model").status_code == 200, "the model is healthy")
    assert not (server.directory / "manifests/job=J/I.json").exists()
    # What is not stored is left alone, as without the decorator.
    assert server.ask({}).json() == "done"


def test_an_async_inference_is_cancelled_at_its_limit(shapes):
    server = shapes["slow async"]
    assert server.ask({"metadata": {"job": "J", "item": "I"}}).status_code == 504
    assert server.get("/v1/models/model").status_code == 200
