"""What the launcher tells of a model from inside its process."""

import asyncio
import json
import logging
import threading
import time
from types import SimpleNamespace

import pytest

from local_baseten.trusses.launcher import LongRuns, Watched, has_failed, unwritable

WAITING = """
import asyncio
def wait(gate):
    gate.wait()

async def wait_async(gate):
    await gate.wait()
"""


@pytest.fixture
def model(tmp_path):
    """A module of the Truss in `tmp_path`."""
    path = tmp_path / "model" / "model.py"
    path.parent.mkdir()
    path.write_text(WAITING)
    names = {}
    exec(compile(WAITING, path, "exec"), names)
    return SimpleNamespace(**names)


def told(caplog) -> list[tuple[str, str]]:
    return [(record.getMessage(), record.stack) for record in caplog.records]


def test_a_thread_that_takes_long_is_shown_where_it_is_and_more_and_more_rarely(
    tmp_path, model, caplog
):
    caplog.set_level(logging.INFO)
    runs, gate = LongRuns(tmp_path), threading.Event()
    thread = threading.Thread(target=model.wait, args=[gate])
    thread.start()
    try:
        with runs.over("a request", "r"):
            for seconds in (9, 11, 30, 59, 61, 100):
                runs.look(time.monotonic() + seconds)
    finally:
        gate.set()
        thread.join()
    runs.look(time.monotonic() + 10_000)

    assert [message for message, _ in told(caplog)] == [
        "a request has run for 10 s; the model is at:",
        "a request has run for 60 s; the model is at:",
    ]
    assert caplog.records[0].request_id == "r"
    assert f'File "{tmp_path}/model/model.py", line 4, in wait\n' in told(caplog)[0][1]
    assert "test_launcher" not in told(caplog)[0][1]


def test_so_is_a_task_that_waits(tmp_path, model, caplog):
    caplog.set_level(logging.INFO)
    runs = LongRuns(tmp_path)

    async def scenario() -> None:
        runs.loop = asyncio.get_running_loop()
        gate = asyncio.Event()
        task = asyncio.create_task(model.wait_async(gate))
        await asyncio.sleep(0)
        with runs.over("load"):
            runs.look(time.monotonic() + 11)
        gate.set()
        await task

    asyncio.run(scenario())
    ((message, stack),) = told(caplog)
    assert message.startswith("load has run for 10 s")
    assert f'File "{tmp_path}/model/model.py", line 7, in wait_async\n' in stack


@pytest.mark.parametrize(("method", "count"), [("POST", 1), ("GET", 0)])
def test_a_request_is_known_while_it_runs_and_a_look_at_the_model_is_none(tmp_path, method, count):
    runs, seen = LongRuns(tmp_path), []

    async def application(*_) -> None:
        seen.extend(running.request_id for running in runs._running)

    scope = {"type": "http", "method": method, "headers": [(b"x-baseten-request-id", b"r")]}
    asyncio.run(Watched(application, runs)(scope, None, None))
    assert seen == ["r"] * count
    assert not runs._running


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"a": [1, {"b": {1, 2}}]}, "result['a'][1]['b'] is of type set"),
        ((1, b"x"), "result[1] is of type bytes"),
        (object(), "result is of type object"),
    ],
)
def test_what_json_has_no_form_for_is_named_by_its_place_and_type(result, said):
    assert unwritable(result, json.JSONEncoder) == said


def test_a_result_that_holds_itself_is_named_too():
    result = {}
    result["again"] = result
    assert unwritable(result, json.JSONEncoder).startswith("result['again']['again']")


def test_of_answers_those_that_are_errors_are_logged():
    def line(status):
        args = ("127.0.0.1:1", "POST", "/v1/models/model:predict", "1.1", status)
        return logging.makeLogRecord({"args": args})

    assert [has_failed(line(status)) for status in (200, 201, 400, 503)] == [0, 0, 1, 1]
    assert has_failed(logging.makeLogRecord({"msg": "another's"}))
