"""Replicas and scale to zero, in front of real Truss servers."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_baseten.running import LocalBaseten, running_locally
from tests.local_baseten.caller import Caller, calling
from tests.local_baseten.conftest import TRUSSES
from tests.waiting import until


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Iterator[LocalBaseten]:
    with running_locally(
        TRUSSES / "obedient",
        state_directory=tmp_path_factory.mktemp("pair"),
        replicas=2,
        scale_to_zero_seconds=2,
    ) as running:
        yield running


@pytest.fixture
def caller(pair, tmp_path) -> Iterator[Caller]:
    with calling(pair, tmp_path / "record") as caller:
        yield caller


def is_up(local: LocalBaseten) -> bool:
    return local.processes().model_is_ready


def is_down(local: LocalBaseten) -> bool:
    return all(server.pid is None for server in local.processes().servers)


def wake(caller: Caller, pair: LocalBaseten) -> None:
    caller.predict("wakes it up", record=str(caller.record) + ".other")
    until(lambda: is_up(pair), "both servers")


def test_each_request_goes_to_the_server_that_has_less_to_do(caller, pair, tmp_path: Path):
    wake(caller, pair)
    gate = tmp_path / "gate"
    with ThreadPoolExecutor() as executor:
        answers = [executor.submit(caller.predict, gate=str(gate)) for _ in range(2)]
        until(lambda: len(caller.attempts()) == 2, "both at once")
        gate.touch()
        homes = {answer.result().json()["environment"]["HOME"] for answer in answers}

    assert len(homes) == 2


def test_while_one_server_starts_again_the_other_one_answers(caller, pair, tmp_path: Path):
    wake(caller, pair)
    gate = tmp_path / "gate"
    running = [caller.submit(gate=str(gate)) for _ in range(2)]
    for request_id in running:
        caller.until_running(request_id)

    os.kill(pair.processes().servers[0].pid, signal.SIGKILL)
    gate.touch()

    assert [caller.final_status(name)["status"] for name in running] == ["SUCCEEDED"] * 2
    assert sorted(len(caller.attempts(name)) for name in running) == [1, 2]


def test_with_nothing_to_do_no_server_runs_and_the_next_request_starts_them(caller, pair):
    wake(caller, pair)
    until(lambda: is_down(pair), "scaled to zero")

    request_id = caller.submit("after a cold start")

    assert caller.final_status(request_id)["status"] == "SUCCEEDED"
    status = caller.status(request_id)
    assert status["errors"] == []
    assert len(caller.attempts(request_id)) == 1
