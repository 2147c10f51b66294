"""A sender that was killed, and what another machine makes of its job."""

import json
import threading

import pytest

from outbox_client import Batch, Item, SendingLimits, State, submit
from outbox_client.errors import SendingStoppedError
from outbox_client.journal.journal import Journal
from outbox_client.submissions.senders import Senders
from tests.waiting import until
from truss_outbox.contract.manifest import Manifest


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = ({"item": f"{n:04}", "document": {"base64": "eHh4"}, "number": n} for n in range(40))
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


SLOWLY = ("--submits-per-second", 20)


def killed(process, service, *, after):
    until(lambda: len(service.bodies) >= after, f"{after} submits")
    process.kill()
    process.wait()


def results(bucket, job):
    keys = bucket.keys(f"manifests/job={job}/")
    return sorted(Manifest.from_bytes(bucket.get(key)).item for key in keys)


ITEMS = [f"{number:04}" for number in range(40)]


@pytest.mark.usefixtures("silence_is_short")
def test_another_machine_goes_on_where_a_killed_sender_stopped(  # noqa: PLR0917  # fixtures
    companion, there, outbox, rows, job, bucket, service, tmp_path, counts_of
):
    killed(companion("submit", rows, "--job", job, *SLOWLY), service, after=8)

    waited = there("wait", job, "--json")
    assert waited.exit_code == 1
    sent = len(service.bodies)  # one may have been under way when it was killed
    assert counts_of(waited) == {"succeeded": sent, "unknown": 40 - sent}
    assert f"`outbox resume {job}`, there or here, sends the rest" in waited.stderr
    assert there("resume", job).exit_code == 0
    assert len(service.bodies) == 40
    assert service.inferences == 40
    last = there("wait", job, "--json")
    assert (last.exit_code, counts_of(last)) == (0, {"succeeded": 40})
    assert "stopped" not in last.stderr
    assert there("fetch", job, "--to", tmp_path / "out").exit_code == 0
    assert there("report", job, "--to", tmp_path / "report.html").exit_code == 0
    assert results(bucket, job) == ITEMS
    # The machine that began knows it too, and has nothing left to send.
    again = outbox("wait", job, "--json")
    assert (again.exit_code, counts_of(again)) == (0, {"succeeded": 40})
    assert len(service.bodies) == 40


@pytest.mark.slow
@pytest.mark.usefixtures("silence_is_short")
def test_a_killed_sender_that_resumes_leaves_nothing_to_another_machine(
    companion, there, outbox, rows, job, bucket, service, counts_of
):
    killed(companion("submit", rows, "--job", job, *SLOWLY), service, after=8)
    there("wait", job)
    assert outbox("resume", job).exit_code == 0
    for machine in (there, outbox):
        waited = machine("wait", job, "--json")
        assert (waited.exit_code, counts_of(waited)) == (0, {"succeeded": 40})
    assert results(bucket, job) == ITEMS


@pytest.mark.slow
def test_two_machines_that_send_one_job_at_once_both_have_all_of_it(
    companion, there, outbox, rows, job, bucket, service, counts_of
):
    both = [companion("submit", rows, "--job", job, home=home) for home in ("home", "home-there")]
    assert [process.wait(60) for process in both] == [0, 0]
    for machine in (there, outbox):
        waited = machine("wait", job, "--json")
        assert (waited.exit_code, counts_of(waited)) == (0, {"succeeded": 40})
    assert results(bucket, job) == ITEMS
    assert json.loads(bucket.get(f"jobs/{job}.json"))["total"] == 40


@pytest.mark.slow
def test_while_one_machine_sends_another_waits_for_all_of_it(
    companion, there, rows, job, service, counts_of
):
    sending = companion("submit", rows, "--job", job, *SLOWLY)
    until(lambda: len(service.bodies) > 4, "some submits")
    status = json.loads(there("status", job, "--json").stdout)
    assert [one["planned"] for one in status["senders"]] == [40]
    waited = there("wait", job, "--json")
    assert (waited.exit_code, counts_of(waited)) == (0, {"succeeded": 40})
    assert sending.wait(30) == 0
    assert json.loads(there("status", job, "--json").stdout)["senders"] == []


@pytest.fixture
def items():
    return [Item(name=item, inputs={"document": {"base64": "eHh4"}}) for item in ITEMS]


def test_what_a_stopped_sender_left_is_planned_for_another(
    items, journal, deployment, tmp_path, root
):
    stop = threading.Event()

    def stop_soon(event):
        if event.done == 5:
            stop.set()

    with pytest.raises(SendingStoppedError):
        submit(
            items,
            Batch(job=journal.job),
            deployment=deployment,
            journal=journal,
            limits=SendingLimits(submits_per_second=10),
            progress=stop_soon,
            stop=stop,
        )
    with Journal.opened(tmp_path / "there", job=journal.job, root=root, create=True) as there:
        assert Senders(there, deployment.bucket).look() == []
        assert there.counts() == journal.counts()
        assert there.counts()[State.PLANNED] > 0
        sources = [[one.item.inputs for one in one_of.unsent()] for one_of in (there, journal)]
        assert sources[0] == sources[1]
