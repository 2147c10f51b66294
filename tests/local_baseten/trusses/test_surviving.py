"""kill -9, Ctrl-C, and what is left: every accepted request, and no process."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from local_baseten.errors import NotRunningError
from local_baseten.request_queue.database import Database
from local_baseten.request_queue.request import Status
from local_baseten.request_queue.requests import RequestQueue
from local_baseten.running import running_locally
from local_baseten.state_directory import Processes, StateDirectory
from tests.local_baseten.caller import calling
from tests.local_baseten.conftest import TRUSSES
from tests.waiting import until


def until_gone(pids: set[int]) -> None:
    def gone() -> bool:
        return not any(_is_running(pid) for pid in pids)

    until(gone, "the end of all processes", seconds=15)


def _is_running(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def family(processes: Processes) -> set[int]:
    """All that was started, down to the last descendant."""
    parent = psutil.Process(processes.stand_in)
    return {parent.pid, *(child.pid for child in parent.children(recursive=True))}


@pytest.mark.slow
def test_who_was_connected_when_it_was_killed_keeps_nobody_from_its_port(tmp_path: Path):
    with running_locally(TRUSSES / "obedient", state_directory=tmp_path) as local:
        port = int(local.base_url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(8) == b"HTTP/1.1"
            os.kill(local.processes().stand_in, signal.SIGKILL)
            with running_locally(
                TRUSSES / "obedient", state_directory=tmp_path, port=port
            ) as again:
                assert again.base_url == local.base_url


@pytest.mark.slow  # end_to_end/test_crashes.py kills it with fewer requests
def test_every_accepted_request_survives_kill_9(tmp_path: Path):
    state, record, gate = tmp_path / "state", tmp_path / "record", tmp_path / "gate"
    with (
        running_locally(
            TRUSSES / "obedient",
            state_directory=state,
            bucket_directory=tmp_path / "bucket",
            concurrency_target=2,
        ) as local,
        calling(local, record) as caller,
    ):
        # With one attempt each: being killed must not use it up.
        once = {"inference_retry_config": {"max_attempts": 1}}
        ended = caller.submit("ended")
        assert caller.final_status(ended)["status"] == "SUCCEEDED"
        running = [caller.submit("running", gate=str(gate), options=once) for _ in range(2)]
        for request_id in running:
            caller.until_running(request_id)
        queued = [caller.submit("queued", options=once) for _ in range(10)]
        before = family(local.processes())

        os.kill(local.processes().stand_in, signal.SIGKILL)

        until_gone(before)

    gate.touch()
    with (
        running_locally(
            TRUSSES / "obedient",
            state_directory=state,
            bucket_directory=tmp_path / "bucket",
            concurrency_target=2,
        ) as local,
        calling(local, record) as caller,
    ):
        for request_id in (ended, *running, *queued):
            assert caller.final_status(request_id)["status"] == "SUCCEEDED"
        assert len(before) >= 4, "stand-in, Truss server, SeaweedFS and its guard"
        assert [len(caller.attempts(request_id)) for request_id in (ended, *queued)] == [1] * 11
        assert [len(caller.attempts(request_id)) for request_id in running] == [2, 2]
        after = family(local.processes())
    until_gone(after)


@pytest.mark.parametrize(
    ("number", "bucket"),
    [pytest.param(signal.SIGINT, "bucket", marks=pytest.mark.slow), (signal.SIGTERM, None)],
)
def test_a_signal_ends_it_cleanly_and_a_second_one_changes_nothing(tmp_path: Path, number, bucket):
    bucket_directory = tmp_path / bucket if bucket else None
    with running_locally(
        TRUSSES / "echo", state_directory=tmp_path / "state", bucket_directory=bucket_directory
    ) as local:
        processes = family(local.processes())
        environment = dict(local.environment)
        stand_in = psutil.Process(local.processes().stand_in)

        stand_in.send_signal(number)
        until(lambda: local.processes().truss_server is None, "the model's server is told to end")
        with contextlib.suppress(psutil.NoSuchProcess):
            stand_in.send_signal(number)
        until_gone(processes)

    log = local.log.read_text()
    assert "Traceback" not in log
    assert environment.get("OUTBOX_ROOT") == ("s3://outbox" if bucket else None)
    assert environment["BASETEN_API_KEY"] in log


@pytest.mark.parametrize("finishes", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_asked_to_end_it_lets_what_runs_finish_up_to_its_limit(tmp_path: Path, finishes):
    state, gate = tmp_path / "state", tmp_path / "gate"
    with (
        running_locally(
            TRUSSES / "obedient", state_directory=state, finish_seconds=60 if finishes else 1
        ) as local,
        calling(local, tmp_path / "record") as caller,
    ):
        running = caller.submit("running", gate=str(gate))
        queued = caller.submit("queued")
        caller.until_running(running)
        processes = family(local.processes())

        os.kill(local.processes().stand_in, signal.SIGTERM)
        until(lambda: "what runs may finish" in local.log.read_text(), "the signal is heard")
        if finishes:
            gate.touch()
        until_gone(processes)

    with contextlib.closing(Database.open(state / "queue.sqlite3")) as database:
        queue = RequestQueue(database)
        end = Status.SUCCEEDED if finishes else Status.IN_PROGRESS
        assert [queue.find(name).status for name in (running, queued)] == [end, Status.QUEUED]


def test_its_child_ends_with_the_program_that_started_it(tmp_path: Path):
    """As when a test run is killed: nothing can be cleaned up, and yet nothing is left."""
    program = (
        "import sys; from pathlib import Path; from local_baseten.running import *\n"
        "with running_locally(Path(sys.argv[1]), state_directory=Path(sys.argv[2])):\n"
        "    print('up', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(TRUSSES / "echo"), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout.readline() == b"up\n"
        processes = family(StateDirectory(tmp_path).read_processes())

        parent.kill()

        until_gone(processes)


@pytest.mark.slow
def test_a_model_that_does_not_load_is_said_once_and_tried_again(tmp_path: Path):
    with (
        pytest.raises(NotRunningError, match="ValueError: the weights are missing"),
        running_locally(TRUSSES / "broken", state_directory=tmp_path),
    ):
        pass

    text = (tmp_path / "stand-in.log").read_text()
    assert text.count("does not come up: ValueError: the weights are missing, says ") == 1
    assert text.count("ERROR") == 1


def test_what_is_no_truss_is_named(tmp_path: Path):
    with (
        pytest.raises(NotRunningError, match="is not a Truss that can be served"),
        running_locally(tmp_path, state_directory=tmp_path / "state"),
    ):
        pass


def test_two_stand_ins_never_share_a_state_directory(tmp_path: Path):
    with (
        StateDirectory(tmp_path).locked(),
        pytest.raises(NotRunningError, match="in use by another stand-in"),
        running_locally(TRUSSES / "echo", state_directory=tmp_path),
    ):
        pass
