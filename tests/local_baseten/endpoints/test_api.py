"""The API's shape, on a queue that nobody works on."""

import asyncio
import json
import re

import httpx
import pytest

from local_baseten.endpoints.addresses import names_of
from local_baseten.request_queue.request import RequestError, Status
from local_baseten.settings import ServiceSettings

FORMS = ["", "production/", "development/", "environments/staging/", "deployment/abc123/"]
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


@pytest.fixture
def call(bare):
    """One call, on an application of its own: a Chain's where the path is one of a Chain's."""

    def call(method: str, path: str, *, key="any", is_chain=None, limits=None, **values):
        is_chain = "run_remote" in path if is_chain is None else is_chain

        async def scenario():
            async with bare.client(key=key, is_chain=is_chain, **(limits or {})) as client:
                return await client.request(method, path, **values)

        return asyncio.run(scenario())

    return call


@pytest.fixture
def submit(call):
    def submit(form: str = "production/", **body):
        return call("POST", f"/{form}async_predict", json={"model_input": {}} | body)

    return submit


def body_of(size: int) -> bytes:
    start, end = b'{"model_input": {"text": "', b'"}}'
    return start + b"x" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_path_accepts_requests(call, submit, bare, form):
    answer = submit(form)

    assert answer.status_code == 201
    request_id = answer.json()["request_id"]
    assert re.fullmatch("[0-9a-f]{32}", request_id)
    assert answer.headers["x-baseten-request-id"] == request_id
    assert bare.queue.find(request_id).status == Status.QUEUED
    assert bare.submitted == ["one"]
    queue = call("GET", f"/{form}async_queue_status").json()
    assert queue == {
        "model_id": "local",
        "deployment_id": form.split("/")[-2] if form else "production",
        "num_queued_requests": 1,
        "num_in_progress_requests": 0,
    }


def test_the_status_is_told_as_documented(call, submit):
    request_id = submit("deployment/abc123/").json()["request_id"]

    assert call("GET", f"/async_request/{request_id}").json() == {
        "request_id": request_id,
        "model_id": "local",
        "deployment_id": "abc123",
        "status": "QUEUED",
        "webhook_status": "NO_WEBHOOK_PROVIDED",
        "created_at": "2025-03-27T00:17:51.578558Z",
        "status_at": "2025-03-27T00:17:51.578558Z",
        "errors": [],
    }


def test_a_failed_request_tells_its_error(call, submit, bare):
    request_id = submit().json()["request_id"]
    bare.queue.fail(
        bare.queue.claim(), RequestError(code="MODEL_INVALID_INPUT", message="pages: no")
    )

    status = call("GET", f"/async_request/{request_id}").json()

    assert status["status"] == "FAILED"
    assert status["errors"] == [{"code": "MODEL_INVALID_INPUT", "message": "pages: no"}]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_path_wakes_the_model(call, bare, form):
    answer = call("POST", f"/{form}wake")

    assert (answer.status_code, answer.content, bare.woken) == (202, b"", ["once"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "body", [{"a": 1}, {"model_input": {"a": 1}}, {"model_input": {"a": 1}, "priority": 0}]
)
def test_a_chain_takes_its_arguments_bare_or_wrapped(call, bare, form, body):
    answer = call("POST", f"/{form}async_run_remote", json=body)

    assert answer.status_code == 201
    request_id = answer.json()["request_id"]
    assert re.fullmatch("[0-9a-f]{37}:.*", request_id)
    assert answer.headers["x-baseten-request-id"] == request_id
    status = call("GET", f"/async_request/{request_id}").json()
    assert (status["chain_id"], status["request_id"]) == ("local", request_id[:37])
    assert "model_id" not in status
    assert json.loads(bare.queue.find(request_id[:37]).model_input) == {"a": 1}


@pytest.mark.parametrize("body", [{}, {"priority": 5}, {"model_input": {"a": 1}, "other": 2}])
def test_what_only_resembles_a_wrapped_body_is_a_chains_arguments(call, bare, body):
    answer = call("POST", "/production/async_run_remote", json=body)

    request = bare.queue.find(answer.json()["request_id"].partition(":")[0])
    assert json.loads(request.model_input) == body


@pytest.mark.parametrize("body", [[], "text", None, {"model_input": {}, "priority": 3}])
def test_a_chains_body_is_checked_as_a_models(call, body):
    assert call("POST", "/production/async_run_remote", json=body).status_code == 400


def test_a_request_is_found_by_its_id_up_to_a_colon(call, submit):
    request_id = submit().json()["request_id"]

    assert call("GET", f"/async_request/{request_id}:0").json()["request_id"] == request_id


def test_a_queued_request_is_canceled_once(call, submit):
    path = f"/async_request/{submit().json()['request_id']}"

    first, second = call("DELETE", path), call("DELETE", path)

    assert (first.status_code, first.json()["canceled"]) == (200, True)
    assert (second.status_code, second.json()["canceled"]) == (200, False)
    assert "CANCELED" in second.json()["message"]
    assert call("GET", path).json()["status"] == "CANCELED"


def test_an_expired_request_says_so(call, submit, clock):
    request_id = submit(max_time_in_queue_seconds=10).json()["request_id"]

    clock.now += 10

    assert call("GET", f"/async_request/{request_id}").json()["status"] == "EXPIRED"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_request_is_404(call, method):
    answer = call(method, "/async_request/none")

    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "error_code"}


def test_a_request_is_unknown_an_hour_after_its_end(call, submit, clock):
    path = f"/async_request/{submit().json()['request_id']}"
    call("DELETE", path)

    clock.now += 3_600

    assert call("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("field", "accepted", "refused"),
    [
        ("priority", [0, 2, 0.0, None], [-1, 3, "1", 1.5, True, 3.0, 1e300]),
        ("max_time_in_queue_seconds", [10, 259_200, 10.0, None], [9, 259_201, "60", 10.5, 9.0]),
        ("inference_retry_config.max_attempts", [1, 10, 3.0, None], [0, 11, "3", 0.0, True]),
        ("inference_retry_config.initial_delay_ms", [0, 10_000, 1e4, None], [-1, 10_001, 0.5]),
        ("inference_retry_config.max_delay_ms", [0, 60_000, 0.0, None], [-1, 60_001, "1"]),
        ("inference_retry_config", [None, {}], [[], "x", 1]),
        ("model_input", [{}, {"a": None}], [None, [], "text", 1]),
        (
            "webhook_endpoint",
            [None],
            ["http://example.com/hook", "ftp://localhost/x", "not a url", "https://", 5],
        ),
    ],
)
def test_every_value_is_bounded_as_documented(submit, field, accepted, refused):
    def body(value):
        outer, _, inner = field.partition(".")
        return {outer: {inner: value} if inner else value}

    for value in accepted:
        assert submit(**body(value)).status_code == 201, value
    for value in refused:
        answer = submit(**body(value))
        assert answer.status_code == 400, value
        assert answer.json()["error"].startswith(field)
        assert answer.json()["error_code"] == "client_error"


def test_the_bounds_reach_the_queue(submit, bare, clock):
    config = {"max_attempts": 10, "initial_delay_ms": 1, "max_delay_ms": 2}
    answer = submit(priority=2, max_time_in_queue_seconds=10, inference_retry_config=config)

    request = bare.queue.find(answer.json()["request_id"])

    assert (request.priority, request.expires_at) == (2, clock.now + 10)
    assert (
        request.retry.max_attempts,
        request.retry.initial_delay_ms,
        request.retry.max_delay_ms,
    ) == (*(10, 1, 2),)


def test_a_webhook_is_pending_until_its_request_has_ended(call, submit):
    request_id = submit(webhook_endpoint="http://localhost:8400/hook").json()["request_id"]

    status = call("GET", f"/async_request/{request_id}").json()

    assert (status["status"], status["webhook_status"]) == ("QUEUED", "PENDING")


@pytest.mark.parametrize("how", ["cancel", "expire"])
def test_the_webhook_of_a_request_that_never_ran_is_canceled(call, submit, clock, how):
    endpoint = "https://example.com/hook"
    answer = submit(webhook_endpoint=endpoint, max_time_in_queue_seconds=10)
    path = f"/async_request/{answer.json()['request_id']}"
    if how == "cancel":
        call("DELETE", path)
    clock.now += 10

    assert call("GET", path).json()["webhook_status"] == "CANCELED"


def test_a_field_it_does_not_know_is_ignored(submit):
    assert submit(new_field=1).status_code == 201


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff", b'{"model_input": {"a": NaN}}', b"[" * 200_000, b"9" * 200_000],
)
def test_what_is_no_json_object_is_400_and_never_quoted(call, body):
    answer = call("POST", "/production/async_predict", content=body)

    assert answer.status_code == 400
    assert body[:20].decode(errors="replace") not in answer.json()["error"] or not body[2:]


def test_a_refused_value_is_not_quoted(submit):
    assert "secret" not in submit(priority="secret").text


def test_the_input_is_passed_on_as_it_was_sent(call, bare):
    text = (
        r'{"half": "\ud800", "big": 123456789012345678901234567890, "small": 1e-7, "\u00e9": "é"}'
    )
    body = f'{{"model_input": {text}}}'

    answer = call("POST", "/production/async_predict", content=body.encode())

    stored = bare.queue.find(answer.json()["request_id"]).model_input
    assert json.loads(stored) == json.loads(text)


def test_a_body_of_262144_bytes_is_accepted(call):
    answer = call("POST", "/production/async_predict", content=body_of(262_144))

    assert answer.status_code == 201


def test_a_body_of_one_byte_more_is_413(call, bare):
    answer = call("POST", "/production/async_predict", content=body_of(262_145))

    assert answer.status_code == 413
    assert answer.json() == {
        "error": "payload size of 262145 bytes exceeds maximum size of 262144 bytes",
        "error_code": "payload_too_large",
    }
    assert bare.submitted == []


def test_the_limit_holds_for_a_body_that_does_not_tell_its_length(call):
    async def chunks():
        for _ in range(5):
            yield b" " * 60_000

    answer = call("POST", "/production/async_predict", content=chunks())

    assert answer.status_code == 413
    assert "payload size of 300000 bytes" in answer.json()["error"]


def test_too_many_waiting_requests_are_429_until_one_has_ended(bare):
    async def scenario() -> tuple[list[int], dict[str, str], list[int]]:
        async with bare.client(max_waiting=3) as client:

            async def submit() -> httpx.Response:
                return await client.post("/production/async_predict", json={"model_input": {}})

            at_once = await asyncio.gather(*(submit() for _ in range(5)))
            first = at_once[0].json()["request_id"]
            assert (await client.delete(f"/async_request/{first}")).json()["canceled"]
            afterwards = [(await submit()).status_code for _ in range(2)]
            refused = next(answer for answer in at_once if answer.status_code == 429)
            return [answer.status_code for answer in at_once], refused.json(), afterwards

    at_once, refused, afterwards = asyncio.run(scenario())

    assert sorted(at_once) == [201, 201, 201, 429, 429]
    assert refused["error_code"] == "rate_limited"
    assert afterwards == [201, 429]


@pytest.mark.parametrize(
    ("limit", "call_of"),
    [
        ("submits_per_second", ("POST", "/production/async_predict")),
        ("submits_per_second", ("POST", "/async_run_remote")),
        ("status_per_second", ("GET", "/async_request/x")),
        ("status_per_second", ("DELETE", "/async_request/x")),
        ("status_per_second", ("GET", "/production/async_queue_status")),
    ],
)
def test_calls_beyond_the_rate_are_429(bare, clock, limit, call_of):
    async def scenario():
        async with bare.client(**{limit: 3}, is_chain="run_remote" in call_of[1]) as client:

            async def times(count):
                return [(await client.request(*call_of, json={})).status_code for _ in range(count)]

            first = await times(2)
            clock.now += 0.75
            second = await times(2)
            clock.now += 0.5  # the first two are a second ago, the third is not
            third = await times(3)
            clock.now -= 1_000  # set back, as a machine's clock may be
            return first, second, third, await times(4), await client.request(*call_of, json={})

    first, second, third, fourth, answer = asyncio.run(scenario())

    within = first[0]
    assert within in {200, 201, 400, 404}
    assert first + second == [within] * 3 + [429]
    assert third == [within] * 2 + [429]
    assert fourth == [within] * 3 + [429]
    assert answer.json() == {"error": "more than 3 calls a second", "error_code": "rate_limited"}
    assert "retry-after" not in answer.headers


def test_the_limits_are_the_documented_ones():
    limits = ServiceSettings()

    assert (limits.submits_per_second, limits.status_per_second) == (200, 20)
    assert (limits.max_waiting, limits.max_body_bytes) == (5_000, 262_144)
    assert (limits.run_seconds, limits.sync_seconds) == (3_600, 1_200)


def test_no_burst_brings_more_than_a_seconds_calls_into_any_second(bare, clock):
    """Evenly at twice the rate, for two seconds: a bucket that was full would admit 20 more."""

    async def scenario():
        async with bare.client(status_per_second=20) as client:
            for number in range(80):
                answer = await client.get("/async_request/x")
                if answer.status_code == 404:
                    admitted.append(number / 40)
                clock.now += 1 / 40

    admitted: list[float] = []
    asyncio.run(scenario())

    most = max(sum(at <= other < at + 1 for other in admitted) for at in admitted)
    assert (len(admitted), most) == (40, 20)


@pytest.mark.parametrize("form", FORMS)
def test_a_models_host_has_no_path_of_a_chain_and_a_chains_none_of_a_model(call, form):
    body = {"model_input": {}}
    for name in ("async_predict", "predict"):
        assert call("POST", f"/{form}{name}", is_chain=True, json=body).status_code == 404
    for name in ("async_run_remote", "run_remote"):
        assert call("POST", f"/{form}{name}", is_chain=False, json=body).status_code == 404
    for is_chain in (True, False):
        path = f"/{form}async_queue_status"
        assert call("GET", path, is_chain=is_chain).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/production/async_predict/",
        "/production/async%5Fpredict",
        "/production%2Fasync_predict",
        "/%70roduction/async_predict",
        "/production/async_predict%2F",
        "/production/async_predict%20",
        "/production//async_predict",
        "/Production/async_predict",
        "/environments//async_predict",
        "/environments/a%2Fb/c/async_predict",
    ],
)
def test_a_path_in_another_spelling_is_another_path(call, path):
    answer = call("POST", path, json={"model_input": {}})

    assert (answer.status_code, answer.json()["error_code"]) == (404, "client_error")


def test_an_environment_and_a_request_may_have_any_name(call):
    path = "/environments/st%C3%A4ging%2Feu%20/async_queue_status"

    assert call("GET", path).json()["deployment_id"] == "stäging/eu "


@pytest.mark.parametrize(
    ("host", "path", "deployment"),
    [
        ("model-abcd1234-staging-eu.api.baseten.co", "/", "staging-eu"),
        ("MODEL-abcd1234-production.api.baseten.co", "/", "production"),
        ("model-abcd1234.api.baseten.co", "/production/", "production"),
        ("model-abcd1234.api.baseten.co", "/deployment/wxyz/", "wxyz"),
        ("model-abcd1234.api.baseten.co", "/environments/staging/", "staging"),
    ],
)
def test_the_services_own_hosts_are_answered(call, bare, host, path, deployment):
    headers = {"host": host}

    answer = call("POST", f"{path}async_predict", headers=headers, json={"model_input": {}})

    assert answer.status_code == 201
    status = call("GET", f"/async_request/{answer.json()['request_id']}", headers=headers).json()
    assert status["deployment_id"] == deployment
    queue = call("GET", f"{path}async_queue_status", headers=headers).json()
    assert queue["deployment_id"] == deployment
    assert call("POST", f"{path}wake", headers=headers).status_code == 202
    assert bare.woken == ["once"]


@pytest.mark.parametrize("form", FORMS)
def test_a_regional_host_has_bare_paths_alone_and_the_others_have_none(call, form):
    def answer(host):
        return call("GET", f"/{form}async_queue_status", headers={"host": host})

    regional = answer("model-abcd1234-eu.api.baseten.co")
    other = answer("model-abcd1234.api.baseten.co")

    refused, answered = (regional, other) if form else (other, regional)
    assert (refused.status_code, answered.status_code) == (404, 200)
    assert "deployment" in refused.json()["error"]


def test_a_chains_hosts_begin_otherwise(call):
    def status(host, *, is_chain):
        headers = {"host": host}
        path = "/production/async_queue_status"
        return call("GET", path, is_chain=is_chain, headers=headers).status_code

    assert status("chain-abcd1234.api.baseten.co", is_chain=True) == 200
    assert status("model-abcd1234.api.baseten.co", is_chain=True) == 400
    assert status("chain-abcd1234.api.baseten.co", is_chain=False) == 400


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "stand-in.evil.example", "stand-in:1", "", "[::1]"),
        *("model-a.api.baseten.co.evil.example", "x.model-a.api.baseten.co", "api.baseten.co"),
        "model-a.api.baseten.co:8000",
    ],
)
@pytest.mark.parametrize("path", ["/production/async_queue_status", "/openapi.json", "/none"])
def test_a_call_that_names_another_host_is_refused(call, host, path):
    answer = call("GET", path, headers={"host": host})

    assert (answer.status_code, answer.json()["error_code"]) == (400, "client_error")


def test_the_stand_in_goes_by_this_machines_names_with_its_port():
    names = {"127.0.0.1:8000", "localhost:8000", "[::1]:8000"}

    assert names_of("http://127.0.0.1:8000") == names
    assert names_of("http://192.0.2.7:8000") == names | {"192.0.2.7:8000"}


@pytest.mark.parametrize("path", ["/../api.py", "/openapi.json/../api.py", "/%2e%2e/etc/passwd"])
def test_no_path_serves_a_file(call, path):
    assert call("GET", path).status_code == 404


@pytest.mark.parametrize(
    "header",
    ["", "Api-Key", "Api-Key ", "Bearer", "Basic abc", "right", "Api-Key wrong", "Bearer é"],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/production/async_predict"),
        ("POST", "/production/predict"),
        ("GET", "/production/async_queue_status"),
        ("GET", "/async_request/x"),
        ("DELETE", "/async_request/x"),
        ("POST", "/production/wake"),
        ("POST", "/production/async_run_remote"),
        ("POST", "/environments/a/run_remote"),
    ],
)
def test_without_the_right_key_every_call_is_401(call, method, path, header):
    headers = [("authorization", header.encode())]

    answer = call(method, path, key="right", headers=headers)

    assert (answer.status_code, answer.json()["error_code"]) == (401, "unauthorized")
    assert "right" not in answer.text


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
@pytest.mark.parametrize("path", ["/", "/page/state", "/production/async_predict"])
def test_no_page_of_another_site_is_let_in(call, method, path):
    origin = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}

    answer = call(method, path, headers=origin)

    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("odd", ["%00", "%ff", "%0a", "%1b[2J", "%ED%A0%80", "a" * 9_000, "%25s"])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/async_request/{}", 404),
        ("DELETE", "/async_request/{}", 404),
        ("GET", "/page/requests/{}", 404),
        ("GET", "/page/requests/{}/artifacts/0", 404),
        ("GET", "/page/state?window={}", 400),
        ("POST", "/environments/{}/async_predict", 201),
        ("GET", "/deployment/{}/async_queue_status", 200),
    ],
)
def test_an_odd_id_breaks_nothing(call, method, path, status, odd):
    answer = call(method, path.format(odd), content=b'{"model_input": {}}')

    assert answer.status_code == status


@pytest.mark.parametrize("header", ["Api-Key ", "Api-Key any", "Api-Key local", "Bearer x", ""])
def test_a_key_that_is_missing_is_not_any_key(call, header):
    headers = {"authorization": header}

    answer = call("GET", "/production/async_queue_status", key="", headers=headers)

    assert answer.status_code == 401


@pytest.mark.parametrize("header", ["Api-Key right", "Bearer right", "bearer right"])
def test_the_right_key_is_accepted_in_both_spellings(call, header):
    path = "/production/async_queue_status"

    assert call("GET", path, key="right", headers={"authorization": header}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/production/predict", 405)]
)
def test_other_paths_and_methods_have_the_same_error_body(call, method, path, status):
    answer = call(method, path)

    assert answer.status_code == status
    assert set(answer.json()) == {"error", "error_code"}
