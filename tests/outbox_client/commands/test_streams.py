"""Standard streams that are closed, full, or read by nobody: an exit code, and no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from outbox_client.commands.app import HOMES
from tests.outbox_client.results import JOB, Results

# What each command answers with streams as they ought to be, in a folder with a bucket of one job.
COMMANDS = {
    "add nothing": 3,
    "cancel x": 2,
    "doctor": 1,
    f"fetch {JOB} --to out": 0,
    "fetch x --to out": 1,
    f"index {JOB}": 0,
    "jobs": 0,
    "new bucket": 2,
    "policy --for client --root s3://b/x": 0,
    f"presign {JOB}": 3,  # of a directory
    f"report {JOB}": 0,
    "resume x": 2,
    "retry x": 2,
    "run nothing --job x --to out": 2,
    "serve nothing": 3,
    "delete x": 0,
    "follow --queue nothing": 3,
    "wake --base-url nothing": 3,
    "status x": 2,
    "submit file --job x --dry-run": 0,
    "submit - --job x": 2,
    "sweep": 0,
    "wait x": 2,
    "webhook listen --to events": 3,
    "webhook secrets list": 0,
    "--help": 0,
    "submit --help": 0,
    "--version": 0,
}
QUICK = ["fetch x --to out", "submit - --job x", "sweep", "--help"]
EVERY = [
    pytest.param(command, marks=[] if command in QUICK else pytest.mark.slow)
    for command in COMMANDS
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Results(tmp_path / "bucket").commit("a", {"text.txt": b"text"})
    (tmp_path / "file").write_bytes(b"x")
    return tmp_path


def run(folder: Path, command: str, *, stdout: int | None = None, redirected: str = ""):
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("OUTBOX_")},
        "OUTBOX_HOME": str(folder / "home"),
        "OUTBOX_ROOT": f"file://{folder}/bucket",
        "OUTBOX_BASE_URL": "http://127.0.0.1:9",
        "BASETEN_API_KEY": "key",
    }
    program = f'exec {sys.executable} -m outbox_client "$@" {redirected}'
    done = subprocess.run(
        ["sh", "-c", program, "sh", *command.split()],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done


def test_every_command_is_driven():
    assert {command.split()[0] for command in COMMANDS} >= set(HOMES)


@pytest.mark.parametrize("command", EVERY)
def test_a_command_ends_as_ever_whether_its_streams_are_closed_or_nobody_reads(folder, command):
    assert run(folder, command, redirected="<&- >&-").returncode == COMMANDS[command]
    reader, writer = os.pipe()
    os.close(reader)
    done = run(folder, command, stdout=writer)
    os.close(writer)
    assert done.returncode == COMMANDS[command], done.stderr


def test_no_file_takes_the_number_of_a_stream_that_is_closed(folder):
    done = run(folder, f"fetch {JOB} --to out", redirected="<&- >&- 2>&-")
    assert done.returncode == 0
    assert (folder / "out" / "a" / "text.txt").read_bytes() == b"text"


@pytest.mark.parametrize("command", ["jobs", "--help", "policy --help"])
def test_an_answer_that_cannot_be_written_is_told(folder, command):
    done = run(folder, command, redirected=">/dev/full")
    assert (done.returncode, done.stderr) == (3, "outbox: stdout: No space left on device\n")


def test_messages_that_nobody_reads_change_nothing(folder):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "outbox_client", "status", "x"],
        cwd=folder,
        env={**os.environ, "OUTBOX_HOME": str(folder), "OUTBOX_ROOT": f"file://{folder}/bucket"},
        stderr=writer,
        check=False,
        timeout=60,
    )
    os.close(writer)
    assert done.returncode == 2
