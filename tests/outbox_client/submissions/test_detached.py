"""`submit --detach` returns at once, and the job is sent all the same."""

import json
import os
import signal

import pytest

from tests.documentation.pages import block, command_lines
from tests.waiting import until


def test_a_job_is_sent_detached_and_waited_for_on_another_machine(
    outbox, there, documents, service, tmp_path, monkeypatch
):
    monkeypatch.chdir(documents.parent)
    for words in command_lines(block("sh", "--detach")):
        done = (outbox if "--detach" in words else there)(*words)
        assert done.exit_code == 0, done.output
    assert "job march: 3 succeeded" in there("wait", "march").stdout
    assert len(service.bodies) == 3
    (log,) = (tmp_path / "home" / "jobs").glob("march-*.log")
    until(lambda: "job march: 3 sent" in log.read_text(), "the process to end")
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_detached_process_has_a_session_of_its_own(outbox, documents, job, service):
    limits = ("--submits-per-second", 1)
    arguments = ("--job", job, "--detach", "--json", *limits)
    answer = json.loads(outbox("submit", documents, *arguments).stdout)
    process = answer["process"]
    assert os.getsid(process) == process
    assert len(service.bodies) < 3
    until(lambda: len(service.bodies) == 3, "the last submit")


def test_a_wrong_key_is_told_before_anything_is_detached(outbox, documents, job):
    result = outbox("submit", documents, "--job", job, "--detach", BASETEN_API_KEY="wrong")
    assert result.exit_code == 3
    assert "process" not in result.stdout


@pytest.mark.slow
def test_a_detached_process_that_was_killed_is_gone_on_with(
    outbox, documents, job, service, counts_of
):
    arguments = ("--job", job, "--detach", "--json", "--submits-per-second", 1)
    answer = json.loads(outbox("submit", documents, *arguments).stdout)
    until(lambda: service.bodies, "the first submit")
    os.kill(answer["process"], signal.SIGKILL)
    assert outbox("resume", job).exit_code == 0
    assert counts_of(outbox("wait", job, "--json")) == {"succeeded": 3}
