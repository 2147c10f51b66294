"""A function that reads what anybody may send: what it gives, and what it cannot do."""

import asyncio
import importlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.truss_outbox.serving.isolation import functions
from tests.waiting import until
from truss_outbox import InvalidInputError, run_isolated
from truss_outbox.contract.errors import InferenceTimeoutError
from truss_outbox.serving.deadlines import Deadlines
from truss_outbox.serving.isolation.workers import WorkerError

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems lack the means")


def is_there(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0]
    except FileNotFoundError:
        return False


def refusal(function, *arguments, **bounds) -> str:
    with pytest.raises(InvalidInputError) as caught:
        run_isolated(function, *arguments, field="picture", **bounds)
    assert caught.value.field == "picture"
    return caught.value.problem


def test_it_gives_what_the_function_returns():
    assert run_isolated(functions.add, 1, 2) == 3
    assert run_isolated(functions.kinds) == functions.kinds()


def test_an_array_arrives_as_bytes_however_large():
    for size in (0, 1, 40_000_000):
        name, content = run_isolated(functions.pixels, size)
        assert (name, len(content), set(content[:10] + content[-10:]) <= {7}) == (
            "grey",
            size,
            True,
        )


def test_the_process_is_another_and_used_again():
    pids = {run_isolated(functions.process) for _ in range(5)}
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_the_values_of_a_generator_come_one_by_one():
    assert list(run_isolated(functions.numbers, 5)) == [0, 1, 2, 3, 4]
    assert list(run_isolated(functions.numbers, 0)) == []


def test_a_generator_that_is_left_is_closed_and_its_process_used_again(tmp_path):
    pid = run_isolated(functions.process)
    with closing(run_isolated(functions.touch_when_closed, str(tmp_path / "closed"))) as values:
        assert next(values) == 0
    assert (tmp_path / "closed").exists()
    assert run_isolated(functions.process) == pid


def test_what_the_function_refuses_is_refused():
    pid = run_isolated(functions.process)
    with pytest.raises(InvalidInputError, match="has no colours") as caught:
        run_isolated(functions.refuse)
    assert caught.value.field == "picture.base64"
    values = run_isolated(functions.refuse_the_second)
    assert next(values) == 1
    with pytest.raises(InvalidInputError, match="has no colours"):
        next(values)
    assert run_isolated(functions.process) == pid


def test_an_error_of_the_authors_is_none_of_the_caller():
    with pytest.raises(WorkerError, match=r"(?s)in fail.*EOFError: the author's own"):
        run_isolated(functions.fail)


@pytest.mark.parametrize("function", [functions.give_an_object, functions.take_over])
def test_only_values_come_back_and_nothing_that_runs(function):
    with pytest.raises(WorkerError, match="plain values"):
        run_isolated(function)
    assert run_isolated(functions.add, 1, 2) == 3


HARM = {
    "hangs": (functions.read_for_ever, (), "longer than 0.5 s"),
    "aborts": (functions.abort, (), "SIGABRT"),
    "crashes": (functions.follow_a_null_pointer, (), "SIGSEGV"),
    "exits": (functions.leave, (), "exit code 0"),
    "takes memory": pytest.param(functions.take, (1 << 30,), "more than 256 MiB", marks=linux),
    "writes": (functions.write, ("big", 64 << 20), "a file of more than 32 MiB"),
}


@pytest.mark.parametrize(("function", "arguments", "problem"), HARM.values(), ids=HARM)
def test_input_that_does_harm_is_refused_and_the_next_is_read_at_once(
    tmp_path, monkeypatch, function, arguments, problem
):
    monkeypatch.chdir(tmp_path)
    bounds = {"seconds": 0.5, "memory_bytes": 256 << 20, "file_bytes": 32 << 20}
    if function is functions.write:
        arguments = (str(tmp_path / arguments[0]), *arguments[1:])
    assert problem in refusal(function, *arguments, **bounds)
    started = time.monotonic()
    assert run_isolated(functions.add, 1, 2) == 3
    assert time.monotonic() - started < 5


def test_what_was_read_before_a_process_hangs_is_there_and_the_process_is_not():
    values = run_isolated(functions.one_then_for_ever, seconds=60, step_seconds=0.3)
    pid = next(values)
    with pytest.raises(InvalidInputError, match=r"one part of it takes longer than 0\.3 s"):
        next(values)
    assert not is_there(pid)


def test_the_clock_runs_for_all_of_it_also_between_two_values():
    with closing(run_isolated(functions.numbers, 5, seconds=0.3)) as values:
        next(values)
        threading.Event().wait(0.4)
        with pytest.raises(InvalidInputError, match=r"takes longer than 0\.3 s to read"):
            next(values)


def test_of_two_at_once_only_the_one_that_kills_its_process_notices():
    with closing(run_isolated(functions.numbers, 3)) as values:
        assert next(values) == 0
        assert "SIGABRT" in refusal(functions.abort)
        assert list(values) == [1, 2]


def test_a_process_that_is_killed_while_it_reads_is_a_refusal_and_a_new_process(tmp_path):
    def kill():
        path = tmp_path / "pid"
        os.kill(int(until(lambda: path.exists() and path.read_text(), "it")), signal.SIGKILL)

    killing = threading.Thread(target=kill)
    killing.start()
    assert "SIGKILL" in refusal(functions.wait, str(tmp_path / "pid"))
    killing.join()
    assert run_isolated(functions.add, 1, 2) == 3


def test_a_process_that_is_killed_while_it_waits_is_nobodys_fault():
    pid = run_isolated(functions.process)
    os.kill(pid, signal.SIGKILL)
    assert run_isolated(functions.process) != pid


def test_a_function_whose_code_was_reloaded_runs_as_it_is_now(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    said = []
    for word in ("before", "after"):
        (tmp_path / "reloaded_code.py").write_text(f"def said():\n    return {word!r}\n")
        sys.modules.pop("reloaded_code", None)
        importlib.invalidate_caches()
        said.append(run_isolated(importlib.import_module("reloaded_code").said))
    assert said == ["before", "after"]


def test_a_module_that_cannot_be_imported_is_none_of_the_callers_fault():
    def inner():
        raise AssertionError

    inner.__qualname__ = inner.__name__ = "gone"
    functions.gone = inner
    inner.__module__ = functions.__name__
    try:
        with pytest.raises(WorkerError, match="gone"):
            run_isolated(inner)
    finally:
        del functions.gone


@linux
def test_it_has_no_network(unused_port_with_listener):
    assert run_isolated(functions.reach, unused_port_with_listener) == "PermissionError"


@pytest.fixture
def unused_port_with_listener():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_it_has_no_secret_of_the_environment_and_leaves_no_core_dump(monkeypatch):
    secret = secrets.token_hex()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    os.kill(run_isolated(functions.process), signal.SIGKILL)  # the next one starts now
    environment, cores = run_isolated(functions.surroundings)
    assert secret not in environment.values()
    assert cores == (0, 0)


@linux
def test_it_inherits_no_file_of_the_server(tmp_path):
    os.kill(run_isolated(functions.process), signal.SIGKILL)
    with (tmp_path / "open").open("w"):
        assert not [name for name in run_isolated(functions.open_files) if "/open" in name]


def test_it_outlives_the_thread_that_first_needed_it():
    pids = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: pids.append(run_isolated(functions.process)))
        thread.start()
        thread.join()
    assert pids[0] == pids[1]


@linux
def test_it_dies_with_its_server(tmp_path):
    path = tmp_path / "pid"
    program = (
        "from truss_outbox import run_isolated\n"
        f"from {functions.__name__} import wait\n"
        f"run_isolated(wait, {str(path)!r}, seconds=600)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", program], env=environment) as server:
        pid = int(until(lambda: path.exists() and path.read_text(), "the worker"))
        server.kill()
    until(lambda: not is_there(pid), "the worker's end", seconds=5)


def test_an_inference_whose_time_is_over_ends_its_process_and_holds_nothing():
    deadlines = Deadlines(0.5)
    step = partial(deadlines.in_thread, partial(run_isolated, functions.read_for_ever, seconds=600))
    with pytest.raises(InferenceTimeoutError):
        asyncio.run(deadlines.bounded(step))
    until(lambda: not deadlines.is_wedged, "the thread's end", seconds=5)
