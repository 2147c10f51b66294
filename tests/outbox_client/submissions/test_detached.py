"""`submit --detach` returns at once, and the job is sent all the same."""

import json
import os
import signal

from tests.waiting import until


def test_a_detached_submit_returns_at_once_and_any_machine_can_wait_for_it(
    outbox, there, documents, job, service, counts_of, tmp_path
):
    answer = json.loads(outbox("submit", documents, "--job", job, "--detach", "--json").stdout)
    assert answer["planned"] == 3
    status = json.loads(there("status", job, "--json").stdout)
    assert sum(status["counts"].values()) + status["senders"][0]["planned"] >= 3
    waited = there("wait", job, "--json")
    assert (waited.exit_code, counts_of(waited)) == (0, {"succeeded": 3})
    assert len(service.bodies) == 3
    log = tmp_path / "home" / "jobs" / answer["log"].rpartition("/")[2]
    until(lambda: f"job {job}: 3 sent" in log.read_text(), "the process to end")
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


def test_a_detached_process_that_was_killed_is_gone_on_with(
    outbox, documents, job, service, counts_of
):
    arguments = ("--job", job, "--detach", "--json", "--submits-per-second", 1)
    answer = json.loads(outbox("submit", documents, *arguments).stdout)
    until(lambda: service.bodies, "the first submit")
    os.kill(answer["process"], signal.SIGKILL)
    assert outbox("resume", job).exit_code == 0
    assert counts_of(outbox("wait", job, "--json")) == {"succeeded": 3}
