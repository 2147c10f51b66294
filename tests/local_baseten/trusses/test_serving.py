"""The stand-in in front of the real Truss server, by plain HTTP."""

import asyncio
import itertools
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from local_baseten.running import LocalBaseten
from local_baseten.trusses.launcher import SECRET_HEADER, ForStandIn
from tests.local_baseten.caller import Caller
from tests.waiting import until


def test_a_request_reaches_the_model_as_its_input_and_its_id(caller: Caller):
    request_id = caller.submit("plain")

    assert caller.final_status(request_id)["status"] == "SUCCEEDED"
    assert [attempt["name"] for attempt in caller.attempts(request_id)] == ["plain"]


def test_a_sync_prediction_answers_what_the_model_answers(caller: Caller):
    answer = caller.predict("sync", extra={"a": [1, None]})

    assert answer.status_code == 200
    assert answer.json()["model_input"]["extra"] == {"a": [1, None]}
    assert answer.json()["request_id"] == answer.headers["x-baseten-request-id"]


def test_a_models_error_in_a_sync_prediction_comes_as_it_is(caller: Caller):
    answer = caller.predict("sync", fail=[422])

    assert (answer.status_code, answer.json()) == (422, {"error": "as the request says"})


def test_the_model_has_a_place_and_an_environment_of_its_own(caller: Caller, obedient):
    answer = caller.predict("where").json()

    environment = answer["environment"]
    assert environment["OUTBOX_SETTING"] == "passed on"
    assert environment["FROM_CONFIG"] == "set in config.yaml"
    assert "UNRELATED" not in environment
    assert "BASETEN_API_KEY" not in environment
    for path in (answer["directory"], environment["HOME"], environment["TMPDIR"]):
        assert Path(path).is_relative_to(obedient.state_directory)


def test_a_companion_is_told_all_it_needs(obedient: LocalBaseten):
    assert obedient.environment == {
        "OUTBOX_BASE_URL": obedient.base_url,
        "BASETEN_API_KEY": obedient.api_key,
        "OUTBOX_ROOT": "file:///results",
    }


def test_retries_repeat_the_id_and_keep_the_given_delays(caller: Caller):
    retry = {"max_attempts": 4, "initial_delay_ms": 200, "max_delay_ms": 300}
    request_id = caller.submit(
        "retried", fail=[500, 503, 502], options={"inference_retry_config": retry}
    )

    status = caller.final_status(request_id)

    times = [attempt["at"] for attempt in caller.attempts(request_id)]
    delays = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert (status["status"], status["errors"]) == ("SUCCEEDED", [])
    assert len(times) == 4
    for delay, asked in zip(delays, [0.2, 0.3, 0.3], strict=True):
        assert asked <= delay < asked + 1


def test_when_no_attempt_is_left_the_request_has_failed(caller: Caller):
    retry = {"max_attempts": 2, "initial_delay_ms": 0}
    request_id = caller.submit("failing", fail=[500] * 9, options={"inference_retry_config": retry})

    status = caller.final_status(request_id)

    assert (status["status"], len(caller.attempts(request_id))) == ("FAILED", 2)
    assert [error["code"] for error in status["errors"]] == ["MODEL_PREDICT_ERROR"]


def test_invalid_input_is_not_tried_again(caller: Caller):
    request_id = caller.submit("invalid", fail=[422])

    status = caller.final_status(request_id)

    assert (status["status"], len(caller.attempts(request_id))) == ("FAILED", 1)
    assert status["errors"] == [
        {
            "code": "MODEL_INVALID_INPUT",
            "message": "The model answered 422: as the request says",
        }
    ]


def test_sync_goes_before_async_and_async_by_priority(caller: Caller, tmp_path: Path):
    gate = tmp_path / "gate"
    running = caller.submit("running", gate=str(gate))
    caller.until_running(running)
    submitted = [
        caller.submit(name, options={"priority": priority})
        for name, priority in [("third", 1), ("fourth", 2), ("first", 0), ("second", 0)]
    ]
    with ThreadPoolExecutor() as executor:
        sync = executor.submit(caller.predict, "sync")
        queued = caller.http.get("/production/async_queue_status").json()
        # Nothing tells from outside that the call is waiting for its turn.
        assert threading.Event().wait(0.5) is False
        gate.touch()
        assert sync.result().status_code == 200

    for request_id in submitted:
        assert caller.final_status(request_id)["status"] == "SUCCEEDED"
    assert (queued["num_queued_requests"], queued["num_in_progress_requests"]) == (4, 1)
    names = [attempt["name"] for attempt in caller.attempts()]
    assert names == ["running", "sync", "first", "second", "third", "fourth"]


def test_a_canceled_request_never_reaches_the_model(caller: Caller, tmp_path: Path):
    gate = tmp_path / "gate"
    running = caller.submit("running", gate=str(gate))
    caller.until_running(running)
    queued = caller.submit("canceled")

    first = caller.http.delete(f"/async_request/{queued}").json()
    second = caller.http.delete(f"/async_request/{running}").json()
    gate.touch()

    assert (first["canceled"], second["canceled"]) == (True, False)
    assert caller.final_status(running)["status"] == "SUCCEEDED"
    assert caller.status(queued)["status"] == "CANCELED"
    assert caller.attempts(queued) == []


@pytest.mark.slow
def test_a_request_that_waits_too_long_expires(caller: Caller, tmp_path: Path):
    """Ten seconds, the shortest there is, on the real clock."""
    gate = tmp_path / "gate"
    running = caller.submit("running", gate=str(gate))
    caller.until_running(running)
    queued = caller.submit("expired", options={"max_time_in_queue_seconds": 10})

    status = caller.final_status(queued)
    gate.touch()

    assert status["status"] == "EXPIRED"
    assert caller.final_status(running)["status"] == "SUCCEEDED"
    assert caller.attempts(queued) == []


def test_a_caller_who_hangs_up_frees_the_model_for_the_next(caller: Caller, tmp_path: Path):
    gate = tmp_path / "gate"
    with pytest.raises(httpx.ReadTimeout):
        caller.http.post(
            "/production/predict",
            json={"record": str(caller.record), "gate": str(gate)},
            timeout=0.5,
        )

    request_id = caller.submit("next")

    assert caller.final_status(request_id)["status"] == "SUCCEEDED"
    gate.touch()


def test_a_server_killed_while_it_predicts_costs_one_attempt(
    caller: Caller, obedient: LocalBaseten
):
    before = obedient.processes().truss_server
    retry = {"max_attempts": 3, "initial_delay_ms": 100}

    request_id = caller.submit("killer", crash=2, options={"inference_retry_config": retry})

    status = caller.final_status(request_id)
    assert (status["status"], len(caller.attempts(request_id))) == ("SUCCEEDED", 3)
    assert obedient.processes().truss_server != before


def test_a_server_killed_from_outside_comes_back(caller: Caller, obedient: LocalBaseten, tmp_path):
    gate = tmp_path / "gate"
    running = caller.submit("running", gate=str(gate))
    queued = caller.submit("queued")
    caller.until_running(running)

    pid = obedient.processes().truss_server
    os.kill(pid, signal.SIGKILL)
    gate.touch()

    assert caller.final_status(running)["status"] == "SUCCEEDED"
    assert caller.final_status(queued)["status"] == "SUCCEEDED"
    assert len(caller.attempts(running)) == 2
    assert len(caller.attempts(queued)) == 1
    assert not psutil.pid_exists(pid)


def test_the_servers_own_metrics_are_in_reach(obedient: LocalBaseten):
    running = obedient.processes()
    url = f"{running.model_url}/metrics/"

    assert httpx.get(url, headers=running.model_headers).status_code == 200


@pytest.mark.parametrize("headers", [{}, {SECRET_HEADER: ""}, {SECRET_HEADER: "wrong"}])
@pytest.mark.parametrize("path", ["/", "/v1/models/model", "/v1/models/model:predict", "/metrics/"])
def test_the_models_server_answers_the_stand_in_alone(obedient: LocalBaseten, path, headers):
    url = f"{obedient.processes().model_url}{path}"

    assert httpx.get(url, headers=headers).status_code == 401
    assert httpx.post(url, headers=headers, json={}).status_code == 401


def test_the_model_does_not_see_the_secret_and_lifespans_need_none():
    seen = []

    async def application(scope, _, __) -> None:
        seen.append(scope)

    async def scenario(*scopes) -> None:
        for scope in scopes:
            await ForStandIn(application, b"right")(scope, None, None)

    headers = [(b"a", b"b"), (SECRET_HEADER.encode(), b"right")]
    asyncio.run(scenario({"type": "http", "headers": headers}, {"type": "lifespan"}))

    assert seen == [{"type": "http", "headers": [(b"a", b"b")]}, {"type": "lifespan"}]


def test_a_web_socket_without_the_secret_is_closed():
    sent = []

    async def send(message) -> None:
        sent.append(message["type"])

    scope = {"type": "websocket", "headers": []}
    asyncio.run(ForStandIn(pytest.fail, b"right")(scope, None, send))

    assert sent == ["websocket.close"]


def test_nothing_listens_beyond_this_machine(obedient: LocalBaseten):
    processes = obedient.processes()
    for pid in (processes.stand_in, processes.truss_server):
        listening = [
            connection.laddr.ip
            for connection in psutil.Process(pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening == ["127.0.0.1"]


def test_the_log_names_requests_and_never_their_input(caller: Caller, obedient: LocalBaseten):
    request_id = caller.submit("a very private name")
    caller.final_status(request_id)

    log = until(lambda: _lines(obedient.log, request_id, "done"), "the log's line")

    assert "status=SUCCEEDED" in log
    text = obedient.log.read_text()
    assert "private" not in text
    assert obedient.api_key not in text.split("set -a", 1)[1]


def _lines(log: Path, *words: str) -> str:
    lines = log.read_text().splitlines()
    return "\n".join(line for line in lines if all(word in line for word in words))
