"""The official SDK, unmodified."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from baseten.client import AsyncInferenceClient, InferenceClient, inferenceapi
from baseten.client.inferenceapi import (
    ApiClient,
    AsyncApiClient,
    AsyncPredictRequest,
    InferenceRetryConfig,
    PredictInput,
    ResponseError,
    ResponseErrorResponse,
)

from tests.local_baseten.caller import Caller
from tests.waiting import until

T = TypeVar("T")


@pytest.fixture
def sdk(obedient) -> Iterator[InferenceClient]:
    with InferenceClient(api_key=obedient.api_key, base_url_override=obedient.base_url) as client:
        yield client


def asked(caller: Caller, **does) -> AsyncPredictRequest:
    return AsyncPredictRequest(
        model_input={"record": str(caller.record)} | does,
        priority=1,
        max_time_in_queue_seconds=60,
        inference_retry_config=InferenceRetryConfig(max_attempts=2),
    )


def test_submit_and_status(sdk: InferenceClient, caller: Caller):
    request_id = sdk.api.async_predict_production(request=asked(caller)).request_id

    def status():
        answer = sdk.api.get_async_request_status(request_id=request_id)
        return answer if answer.status == "SUCCEEDED" else None

    status = until(status, "success", seconds=20)
    assert (status.request_id, status.errors) == (request_id, [])
    assert status.webhook_status == "NO_WEBHOOK_PROVIDED"


def test_every_form_of_path_submits_and_tells_the_queue(sdk: InferenceClient, caller: Caller):
    api, request = sdk.api, asked(caller)

    ids = {
        api.async_predict_production(request=request).request_id,
        api.async_predict_development(request=request).request_id,
        api.async_predict(env_name="staging eu", request=request).request_id,
        api.async_predict_deployment(deployment_id="abc", request=request).request_id,
    }

    assert len(ids) == 4
    until(lambda: api.get_async_queue_status_production().num_queued_requests == 0, "an end")
    assert api.get_async_queue_status_development().deployment_id == "development"
    assert api.get_async_queue_status(env_name="staging").deployment_id == "staging"
    assert api.get_async_queue_status_deployment(deployment_id="abc").deployment_id == "abc"


def calls_of(api, *, chains: bool) -> list[str]:
    names = [name for name in dir(api) if not name.startswith("_")]
    return [name for name in names if ("run_remote" in name) == chains]


def argument(name: str, value: inspect.Parameter, caller: Caller, request_id: str) -> Any:
    match value.annotation:
        case "AsyncPredictRequest":
            return asked(caller)
        case "PredictInput" | "RunRemoteInput" | "AsyncRunRemoteInput" as kind:
            return getattr(inferenceapi, kind)({"record": str(caller.record)})
        case "str":
            return request_id if name == "request_id" else "staging eu"
        case _:
            return "application/json"


def arguments(method, caller: Caller, request_id: str) -> dict[str, Any]:
    parameters = inspect.signature(method).parameters
    return {name: argument(name, parameters[name], caller, request_id) for name in parameters}


@pytest.mark.parametrize("name", calls_of(ApiClient, chains=False))
def test_every_call_of_the_sync_client_is_answered(sdk: InferenceClient, caller: Caller, name):
    """Each accepts the one documented status of its own alone."""
    request_id = caller.submit()

    answer = getattr(sdk.api, name)(**arguments(getattr(sdk.api, name), caller, request_id))

    check(name, answer, sdk, caller)


@pytest.mark.parametrize("name", calls_of(AsyncApiClient, chains=False))
def test_every_call_of_the_async_client_is_answered(
    obedient, sdk: InferenceClient, caller: Caller, name
):
    request_id = caller.submit()

    async def scenario():
        async with AsyncInferenceClient(
            api_key=obedient.api_key, base_url_override=obedient.base_url
        ) as client:
            method = getattr(client.api, name)
            answer = await method(**arguments(method, caller, request_id))
            if name.endswith("_raw"):
                await answer.aread()
                await answer.aclose()
            return answer

    check(name, asyncio.run(scenario()), sdk, caller)


@pytest.mark.parametrize("name", calls_of(ApiClient, chains=True))
def test_a_models_host_has_no_call_of_a_chain(sdk: InferenceClient, caller: Caller, name):
    method = getattr(sdk.api, name)

    with pytest.raises(ResponseError) as refused:
        method(**arguments(method, caller, ""))

    assert refused.value.status_code == 404


async def on_host(bare, host: str, scenario: Callable[[AsyncApiClient], Awaitable[T]]) -> T:
    """The SDK at one of the service's own hosts, which leads to a stand-in nobody works in."""
    async with bare.client(is_chain=host.startswith("chain")) as http:
        http.base_url = f"https://{host}.api.baseten.co"
        client = AsyncInferenceClient(api_key="any", model_id="-", http_client_override=http)
        return await scenario(client.api)


@pytest.mark.parametrize(
    "name",
    [
        "predict_production",  # a model's
        # Nobody works here: a Chain that answers is in tests/end_to_end.
        *(name for name in calls_of(AsyncApiClient, chains=True) if name.startswith("async")),
    ],
)
def test_a_chains_host_takes_a_chains_async_calls_alone(bare, caller: Caller, name):
    async def scenario(api: AsyncApiClient) -> Any:
        method = getattr(api, name)
        return await method(**arguments(method, caller, ""))

    host = "chain-abcd1234-eu" if name.endswith("regional") else "chain-abcd1234"
    if name.startswith("predict"):
        with pytest.raises(ResponseError) as refused:
            asyncio.run(on_host(bare, host, scenario))
        assert refused.value.status_code == 404
    else:
        answer = asyncio.run(on_host(bare, host, scenario))
        assert bare.queue.find(answer.request_id.partition(":")[0]).is_chain


def test_a_regional_environments_host_takes_the_regional_calls_alone(bare):
    async def regional(api: AsyncApiClient) -> tuple[str, str]:
        request = AsyncPredictRequest(model_input={})
        submitted = await api.async_predict_regional(request=request)
        queue = await api.get_async_queue_status_regional()
        await api.wake_regional()
        with pytest.raises(ResponseError) as refused:
            await api.async_predict_production(request=request)
        assert refused.value.status_code == 404
        status = await api.get_async_request_status(request_id=submitted.request_id)
        return queue.deployment_id, status.deployment_id

    host = "model-abcd1234-staging-eu"
    assert asyncio.run(on_host(bare, host, regional)) == ("staging-eu", "staging-eu")


def check(name: str, answer: Any, sdk: InferenceClient, caller: Caller) -> None:
    if name.startswith("async_predict"):
        assert caller.final_status(answer.request_id)["status"] == "SUCCEEDED"
    elif name.startswith("wake"):
        assert answer is None
    elif name.endswith("_raw"):
        assert answer.status_code == 200
        answer.close() if not answer.is_closed else None
    elif name.startswith("predict"):
        assert answer.root["model_input"] == {"record": str(caller.record)}
    else:
        assert answer.model_dump()


def test_cancel(sdk: InferenceClient, caller: Caller, tmp_path):
    gate = tmp_path / "gate"
    running = caller.submit("running", gate=str(gate))
    caller.until_running(running)
    queued = sdk.api.async_predict_production(request=asked(caller)).request_id

    answer = sdk.api.cancel_async_request(request_id=queued)
    gate.touch()

    assert (answer.request_id, answer.canceled) == (queued, True)
    assert sdk.api.get_async_request_status(request_id=queued).status == "CANCELED"
    caller.final_status(running)


def test_sync_prediction(sdk: InferenceClient, caller: Caller):
    answer = sdk.api.predict_production(request=PredictInput({"record": str(caller.record)}))

    assert answer.root["model_input"] == {"record": str(caller.record)}


def test_a_wrong_key_and_a_refused_body_raise_the_sdks_own_error(obedient, caller: Caller):
    with (
        InferenceClient(api_key="wrong", base_url_override=obedient.base_url) as client,
        pytest.raises(ResponseErrorResponse) as unauthorized,
    ):
        client.api.async_predict_production(request=asked(caller))
    assert unauthorized.value.status_code == 401
    assert unauthorized.value.error_response.error_code == "unauthorized"


def test_the_async_client(obedient, caller: Caller):
    async def scenario():
        async with AsyncInferenceClient(
            api_key=obedient.api_key, base_url_override=obedient.base_url
        ) as client:
            submitted = [client.api.async_predict_production(request=asked(caller))] * 1
            answers = await asyncio.gather(*submitted)
            queue = await client.api.get_async_queue_status_production()
            status = await client.api.get_async_request_status(request_id=answers[0].request_id)
            canceled = await client.api.cancel_async_request(request_id=answers[0].request_id)
            return queue, status, canceled

    queue, status, canceled = asyncio.run(scenario())

    assert queue.model_id == status.model_id == "local"
    assert canceled.request_id == status.request_id
    assert caller.final_status(status.request_id)["status"] in {"SUCCEEDED", "CANCELED"}
