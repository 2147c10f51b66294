"""The official SDK, its errors made ours."""

import pytest

from outbox_client.errors import (
    RefusedRequestError,
    ServiceError,
    ServiceUnavailableError,
    UnauthorizedError,
    UnknownRequestError,
)
from outbox_client.service.api import Addressee
from outbox_client.service.baseten import connected
from tests.gcs_door import Answer, Door, serving
from tests.outbox_client.http_service import API_KEY
from truss_outbox.contract.errors import ConfigurationError

INPUT = {"document": {"base64": "eA=="}, "metadata": {"job": "j", "item": "i", "labels": {}}}
BODY = {"model_input": INPUT}


@pytest.fixture
def connect(base_url):
    def connect(environment="production", key=API_KEY, chain_id=None):
        return connected(
            api_key=key,
            model_id=None,
            chain_id=chain_id,
            base_url=base_url,
            addressee=Addressee(environment=environment),
        )

    return connect


@pytest.mark.parametrize("environment", ["production", "development", "staging"])
def test_a_chain_is_sent_the_same_body_under_its_own_path(connect, faults, service, environment):
    with connect(environment, chain_id="local") as api:
        request_id = api.submit({**BODY, "priority": 2})
        assert api.status(request_id)
    prefix = "environments/staging" if environment == "staging" else environment
    assert faults.paths[0] == f"/{prefix}/async_run_remote"
    assert service.bodies[request_id] == {**BODY, "priority": 2}


def test_a_chains_queue_may_be_described_without_a_model(connect, faults):
    counts = '"num_queued_requests": 3, "num_in_progress_requests": 1'
    faults.queue.append((200, f'{{"chain_id": "c", "deployment_id": "d", {counts}}}'))
    with connect(chain_id="c") as api:
        queue = api.queue_status()
    assert (queue.queued, queue.in_progress) == (3, 1)


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ("production", "/production/async_predict"),
        ("development", "/development/async_predict"),
        ("staging", "/environments/staging/async_predict"),
    ],
)
def test_each_environment_has_its_path(connect, faults, environment, path):
    with connect(environment) as api:
        assert api.submit(BODY)
        assert api.queue_status().queued == 0
    assert faults.paths == [path, path.replace("async_predict", "async_queue_status")]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520])
def test_a_fault_is_one_that_a_repetition_may_help(connect, faults, service, status):
    faults.queue += [(status, "no json"), (status, '{"error": "down for repair"}')]
    with connect() as api:
        with pytest.raises(ServiceUnavailableError) as caught:
            api.submit(BODY)
        assert caught.value.status == status
        with pytest.raises(ServiceUnavailableError, match="down for repair"):
            api.submit(BODY)
        assert api.submit(BODY) in service.bodies


def test_the_service_says_how_long_to_wait():
    with serving(door := Door("http://127.0.0.1:9")):
        door.before = lambda _: Answer(status=429, body={}, headers={"Retry-After": "17"})
        with (
            connected(
                api_key=API_KEY, model_id=None, base_url=door.url, addressee=Addressee()
            ) as api,
            pytest.raises(ServiceUnavailableError) as caught,
        ):
            api.submit(BODY)
    assert caught.value.retry_after_seconds == 17


def test_a_cancel_is_repeated(connect, faults, service):
    service.held = True
    with connect() as api:
        request_id = api.submit(BODY)
        faults.queue += [(503, "{}"), (429, "{}")]
        assert api.cancel(request_id)


def test_a_status_is_asked_for_once(connect, faults):
    faults.queue.append((503, "{}"))
    with connect() as api, pytest.raises(ServiceUnavailableError):
        api.status("some-id")
    assert len(faults.paths) == 1


def test_no_service_is_unavailable():
    with (
        connected(
            api_key=API_KEY, model_id=None, base_url="http://127.0.0.1:9", addressee=Addressee()
        ) as api,
        pytest.raises(ServiceUnavailableError, match="--base-url"),
    ):
        api.submit(BODY)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_request_says_why_and_is_not_repeated(connect, faults, status):
    faults.queue.append((status, '{"error": "too much of it"}'))
    with connect() as api, pytest.raises(RefusedRequestError, match="too much of it") as caught:
        api.submit(BODY)
    assert caught.value.status == status
    assert len(faults.paths) == 1


def test_a_wrong_key_is_said_without_showing_it(connect):
    with connect(key="wrong-key") as api, pytest.raises(UnauthorizedError) as caught:
        api.submit(BODY)
    assert "wrong-key" not in str(caught.value)


def test_an_unknown_request_is_told_from_an_unknown_model(connect, faults):
    with connect() as api:
        with pytest.raises(UnknownRequestError):
            api.status("nobody")
        with pytest.raises(UnknownRequestError):
            api.cancel("nobody")
        faults.queue.append((404, "{}"))
        with pytest.raises(ServiceError, match="check model and environment"):
            api.submit(BODY)


@pytest.mark.parametrize(
    ("environment", "path"),
    [("production", "/production/predict"), ("staging", "/environments/staging/predict")],
)
def test_a_synchronous_call_has_the_models_own_answer(connect, faults, environment, path):
    faults.queue.append((200, '{"words": 2}'))
    with connect(environment) as api:
        assert api.predict(INPUT) == {"words": 2}
    assert faults.paths == [path]


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (200, "[1]", ServiceError),
        (200, "<html>", ServiceError),
        (422, '{"error": "metadata.canary: unknown field"}', RefusedRequestError),
        (500, '{"error": "Internal Server Error"}', ServiceUnavailableError),
    ],
)
def test_a_synchronous_call_that_is_not_answered_by_an_object_says_why(
    connect, faults, status, answer, error
):
    faults.queue.append((status, answer))
    with connect() as api, pytest.raises(error) as caught:
        api.predict(INPUT)
    assert type(caught.value) is error
    assert "unknown field" in str(caught.value) or status != 422


@pytest.mark.parametrize("answer", ["<html>", "{}", '{"request_id": 3}'])
def test_an_answer_of_something_else_is_an_error_of_ours(connect, faults, answer):
    faults.queue.append((201, answer))
    with connect() as api, pytest.raises(ServiceError, match="not that of Baseten"):
        api.submit(BODY)


def test_an_id_is_asked_for_without_what_follows_a_colon(connect, service, faults):
    with connect() as api:
        request_id = api.submit(BODY)
        assert api.status(f"{request_id}:retry").status == "SUCCEEDED"
    assert faults.paths[-1] == f"/async_request/{request_id}"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"api_key": None, "base_url": "http://x"}, "BASETEN_API_KEY"),
        ({"api_key": "k", "base_url": None}, "model_id"),
        ({"api_key": "k", "base_url": "x.example"}, "--base-url"),
    ],
)
def test_what_is_missing_is_named(arguments, named):
    with (
        pytest.raises(ConfigurationError, match=named),
        connected(model_id=None, addressee=Addressee(), **arguments),
    ):
        pass
