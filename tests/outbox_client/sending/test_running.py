"""`run`: sending, following and fetching at the same time."""

import json
import threading

import pytest

from outbox_client import Batch, SendingLimits, State, find_items, submit
from outbox_client.bucket.records import account_key
from outbox_client.errors import (
    SendingStoppedError,
    ServiceUnavailableError,
    UnauthorizedError,
    WaitTimeoutError,
)
from outbox_client.following.tracker import Tracker
from outbox_client.running import FetchWorker, run
from outbox_client.sending.plan import planned
from truss_outbox.contract.errors import AccessDeniedError


@pytest.fixture
def many(tmp_path):
    """A folder of forty documents."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02d}.txt").write_bytes(b"%d" % number)
    return folder


@pytest.fixture
def start(journal, deployment, tmp_path):
    """Plans the documents and runs the job; keyword arguments go to `run`."""

    def start(folder=None, **options):
        if folder is not None:
            batch = Batch(job=journal.job)
            with planned(find_items([folder]), batch, naming=deployment.naming) as plan:
                plan.record(journal)
        return run(journal, tmp_path / "out", deployment=deployment, **options)

    return start


def send(folder, journal, deployment):
    batch = Batch(job=journal.job)
    submit(find_items([folder]), batch, deployment=deployment, journal=journal)


def test_the_first_results_are_here_before_the_last_request_is_sent(start, many, service, tmp_path):
    """The service takes no request after the thirtieth until ten results have been fetched."""
    submit, first_ones, ten_fetched = service.submit, threading.Semaphore(30), threading.Event()

    def held_back(body):
        if not first_ones.acquire(blocking=False):
            assert ten_fetched.wait(60)
        return submit(body)

    def note(event):
        if event.phase == "fetch" and event.done >= 10:
            ten_fetched.set()

    service.submit = held_back
    done = start(many, progress=note)

    assert done.account.counts == {State.SUCCEEDED: 40}
    assert len(done.fetched.results) == 40
    assert not done.fetched.problems
    for number in range(40):
        copy = tmp_path / "out" / f"{number:02d}.txt" / "copy.bin"
        assert copy.read_bytes() == b"%d" % number


def test_progress_counts_each_phase_to_its_end(start, many):
    last = {}

    def note(event):
        last[event.phase] = (event.done, event.total)

    start(many, progress=note)
    assert last == {"submit": (40, 40), "wait": (40, 40), "fetch": (40, 40)}


def test_what_the_job_had_before_is_fetched_too(start, many, documents, tmp_path, bucket, journal):
    start(many)
    done = start(documents)
    assert done.account.counts == {State.SUCCEEDED: 43}
    assert len(done.fetched.results) == 43
    assert bucket.exists(account_key(journal.job))


def test_a_result_that_is_found_while_its_submit_is_repeated_counts_once(
    start, documents, service, journal
):
    """The job has its results, and the service is full until they have been found."""
    start(documents)
    submit, inferences, found = service.submit, service.inferences, dict[str, threading.Event]()
    events, refused = [], set()

    def full_until_it_is_found(body):
        item = body["model_input"]["metadata"]["item"]
        if item in refused:
            return submit(body)
        refused.add(item)
        assert found.setdefault(item, threading.Event()).wait(60)
        raise ServiceUnavailableError("full", status=429)

    def note(event):
        events.append(event)
        if event.phase == "wait" and event.item is not None:
            found.setdefault(event.item, threading.Event()).set()

    service.submit = full_until_it_is_found
    done = start(documents, progress=note)
    assert done.account.counts == {State.SUCCEEDED: 3}
    assert len(done.fetched.results) == 3
    assert max(event.total for event in events) == 3
    assert min(event.in_flight or 0 for event in events) == 0
    assert [event.item for event in events if event.state == "failed"] == []
    assert service.inferences == inferences


def test_a_result_that_another_process_had_sent_again_is_fetched_once(
    start, documents, journal, deployment, tmp_path
):
    start(documents)
    again = iter([send])

    def send_again(event):
        """Another process does, once the result is here."""
        if event.done == 3:
            for send_all in again:
                send_all(documents, journal, deployment)
                Tracker(journal, deployment=deployment).look()
                worker.complete()

    worker = FetchWorker(journal, tmp_path / "out", deployment=deployment, progress=send_again)
    worker.run()
    assert len(worker.report.results) == 3
    assert {entry.attempts for entry in journal.entries()} == {2}


def test_stopping_while_something_is_unsent_says_how_to_go_on(start, many, service, journal):
    stop, submit = threading.Event(), service.submit
    service.held = True

    def stop_after_some(body):
        if len(service.bodies) >= 5:
            stop.set()
        return submit(body)

    service.submit = stop_after_some
    with pytest.raises(SendingStoppedError) as stopped:
        start(many, stop=stop, limits=SendingLimits(submits_per_second=50))
    assert f"`outbox resume {journal.job}` goes on" in stopped.value.__notes__[0]
    service.held = False
    service.run_queued()
    assert start().account.counts == {State.SUCCEEDED: 40}


def test_stopping_while_all_is_sent_interrupts(start, documents, service):
    stop, service.held = threading.Event(), True

    def note(event):
        if event.phase == "wait" and event.in_flight == 3:
            stop.set()

    with pytest.raises(KeyboardInterrupt):
        start(documents, stop=stop, progress=note)


def test_a_key_that_is_revoked_while_sending_ends_it_and_running_again_finishes(
    start, many, service
):
    submit, count = service.submit, iter(range(1_000))

    def revoked_after_some(body):
        if next(count) >= 10:
            raise UnauthorizedError("the service refuses the API key (HTTP 401)", status=401)
        return submit(body)

    service.submit = revoked_after_some
    with pytest.raises(UnauthorizedError):
        start(many)
    service.submit = submit
    done = start()
    assert done.account.counts == {State.SUCCEEDED: 40}
    assert len(done.fetched.results) == 40


def test_a_bucket_that_refuses_while_fetching_ends_it(start, many, bucket, monkeypatch):
    def refuse(key, **_):
        raise AccessDeniedError(key, "the bucket refuses these credentials")

    monkeypatch.setattr(bucket, "get", refuse)
    with pytest.raises(AccessDeniedError):
        start(many)


def test_a_timeout_ends_sending_and_fetching_too(start, documents, service):
    service.held = True
    with pytest.raises(WaitTimeoutError):
        start(documents, timeout_seconds=1)
    assert [t for t in threading.enumerate() if t.name.startswith("outbox-run")] == []


def test_an_item_called_as_a_folder_of_another_keeps_its_files_apart(outbox, job, tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    rows = [{"item": item, "document": {"path": "x"}} for item in ("a/pages", "a", "c/d")]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    out = tmp_path / "out"
    for command in (["run", tmp_path / "rows.jsonl", "--job", job], ["fetch", job]):
        result = outbox(*command, "--to", out)
        assert result.exit_code == 0, result.output
    for folder in ("a", "a%2Fpages", "c/d"):
        assert (out / folder / "copy.bin").read_bytes() == b"x"
    assert not (out / "a" / "pages" / "copy.bin").exists()
