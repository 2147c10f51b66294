"""A job that one machine begins and another ends, through the real Truss server."""

import json
import os
import subprocess
import sys

import pytest

from tests.end_to_end.asking import metric
from tests.end_to_end.conftest import PREFIX
from tests.waiting import until

COUNT, REFUSED = 60, 5

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def machine(local, seaweedfs, tmp_path):
    """Starts a command on the machine of that name, where nothing but its home is kept."""

    def machine(name, *arguments):
        environment = {
            **os.environ,
            **seaweedfs.environment,
            "OUTBOX_ROOT": f"s3://outbox/{PREFIX}",
            "OUTBOX_ENDPOINT_URL": seaweedfs.endpoint_url,
            "OUTBOX_BASE_URL": local.base_url,
            "OUTBOX_HOME": str(tmp_path / name),
            "BASETEN_API_KEY": local.api_key,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "outbox_client", *map(str, arguments)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return machine


@pytest.fixture
def outbox(machine):
    """Runs a command there to its end: exit code, what it prints as JSON, what it says."""

    def outbox(name, *arguments):
        process = machine(name, *arguments, "--json")
        said, told = process.communicate(timeout=400)
        assert "Traceback" not in told
        return process.returncode, json.loads(said), told

    return outbox


def accounted(bucket, job):
    """Of how many items the account is, and how many ended in which way."""
    account = json.loads(bucket.get(f"jobs/{job}.json"))
    return account["total"], {state: count for state, count in account["counts"].items() if count}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rows.jsonl"
    with path.open("w") as file:
        for number in range(COUNT):
            error = {"error": "inference"} if number % (COUNT // REFUSED) == 0 else {}
            file.write(json.dumps({"item": f"{number:03}", "text": "two words", **error}) + "\n")
    return path


def test_a_job_is_ended_retried_fetched_and_reported_by_another_machine(
    machine, outbox, table, job, bucket, local, tmp_path
):
    stored = metric(local, "outbox_results_stored_total")
    sending = machine("one", "submit", table, "--job", job, "--submits-per-second", 10)
    until(lambda: len(bucket.keys(f"manifests/job={job}/")) > 5, "some results")
    sending.kill()
    sending.communicate()

    code, waited, told = outbox("two", "wait", job)
    assert code == 1
    assert waited["counts"]["unknown"] > COUNT // 4, "it was killed in the middle"
    assert f"`outbox resume {job}`, there or here, sends the rest" in told
    assert outbox("two", "resume", job)[0] == 0
    ended = {"succeeded": COUNT - REFUSED, "failed": REFUSED}
    assert outbox("two", "wait", job)[1]["counts"] == ended
    assert len(outbox("two", "retry", job)[1]["accepted"]) == REFUSED
    for name in ("two", "one"):
        code, waited, _ = outbox(name, "wait", job)
        assert (code, waited["counts"]) == (1, ended)

    code, fetched, _ = outbox("two", "fetch", job, "--to", tmp_path / "out")
    assert (code, len(fetched["results"])) == (0, COUNT - REFUSED)
    assert (tmp_path / "out" / "001" / "words.txt").read_text() == "two\nwords"
    assert outbox("two", "report", job, "--to", tmp_path / "report.html")[0] == 0
    assert accounted(bucket, job) == (COUNT, ended)
    items = sorted(manifest.item for manifest in bucket.manifests(job))
    assert items == [f"{n:03}" for n in range(COUNT) if n % (COUNT // REFUSED)]
    assert metric(local, "outbox_results_stored_total") - stored == len(items)


def test_two_machines_that_send_one_job_at_once_have_one_account(
    outbox, machine, table, job, bucket
):
    both = [machine(name, "submit", table, "--job", job) for name in ("one", "two")]
    assert [(process.communicate(), process.returncode)[1] for process in both] == [0, 0]
    ended = {"succeeded": COUNT - REFUSED, "failed": REFUSED}
    for name in ("one", "two", "three"):
        code, waited, _ = outbox(name, "wait", job)
        assert (code, waited["counts"]) == (1, ended)
    assert accounted(bucket, job) == (COUNT, ended)
    assert len(bucket.manifests(job)) == COUNT - REFUSED
