"""A sweep over a job: what it costs, what it sees, how it goes on when something is wrong."""

import contextlib
import dataclasses
import datetime
import itertools

import pytest
from obstore.store import MemoryStore

from outbox_client import Batch, Deployment, Item, Naming, State, wait
from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.errors import UnauthorizedError
from outbox_client.following.tracker import Tracker
from outbox_client.journal.entries import Accepted, Begun, Settlement, planned_row
from outbox_client.service.api import RequestStatus
from tests.end_to_end.s3_proxy import running_proxy
from tests.outbox_client.committed import a_manifest, commit
from tests.outbox_client.filling import DIGEST, fill_bucket, fill_journal, key, manifests
from truss_outbox.contract.errors import AccessDeniedError, StoreError
from truss_outbox.contract.keys import KeyTemplate, failure_key, manifest_key
from truss_outbox.contract.manifest import Failure, ModelInfo

SKEWED = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the \
server's time is too large.</Message><Resource>/outbox</Resource></Error>"""

AWKWARD = ["a", "a-b", "a.b", "a_b", "a%2Fb", "ab", "A", "a-", "b", "%FF", "0", "zz-9", "zz.9", "~"]


@pytest.fixture
def door(seaweedfs):
    with running_proxy(seaweedfs.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def through(door, root, deployment) -> Deployment:
    """The deployment, its bucket behind the door."""
    bucket = open_bucket(root, endpoint_url=door.url)
    return Deployment(api=deployment.api, bucket=bucket, naming=deployment.naming)


@pytest.fixture(params=["s3", "directory"])
def any_bucket(request, tmp_path) -> Bucket:
    if request.param == "s3":
        return request.getfixturevalue("bucket")
    return open_bucket(f"file://{tmp_path}/bucket")


def record(journal, keys, time):
    """Items that were sent, by any keys."""
    batch = Batch(job=journal.job)
    journal.plan(batch, (planned_row(Item(name=i), k) for i, k in keys.items()))
    journal.begin_submits(
        Begun(item=i, key=k, digest=DIGEST, size=1, submitted_at=time.now) for i, k in keys.items()
    )
    journal.end_submits(Accepted(item=i, key=k, request_id=f"r-{i}") for i, k in keys.items())


def put_failure(bucket, key, *, request_id, retryable=False):
    failure = Failure(
        key=key,
        request_id=request_id,
        attempt="0a1b2c3d",
        code="BAD",
        message="it is bad",
        retryable=retryable,
        model=ModelInfo(name="m", version="1"),
        created_at=datetime.datetime.now(datetime.UTC),
    )
    bucket.create_new(failure_key(key, failure.attempt), failure.to_bytes())


def listings(door):
    return [call for call in door.calls if "list-type" in call]


def names(count):
    return [f"scan-{number:05d}.pdf" for number in range(count)]


def test_a_listing_begins_after_any_key_without_loss_or_overlap(any_bucket):
    paths = sorted(f"manifests/job=x/{name}.json" for name in AWKWARD)
    fill_bucket(any_bucket, paths)
    for first in [None, *paths, "manifests/job=x/~~"]:
        found = any_bucket.pages("manifests/job=x/", after=first)
        expected = [path for path in paths if (first or "") < path]
        assert sorted(key for page in found for key in page.keys) == expected


def test_a_sweep_costs_a_call_per_thousand_open_results(
    journal, through, door, bucket, service, time
):
    items = names(1_300)
    fill_journal(journal, items, submitted_at=time.now)
    fill_bucket(bucket, manifests(journal, items[:1_200]))
    Tracker(journal, deployment=through, clock=time.clock).look()

    assert journal.counts() == {State.SUCCEEDED: 1_200, State.SENT: 100}
    assert len(listings(door)) == 2 + 1  # the manifests and the failures
    door.calls.clear()
    Tracker(journal, deployment=through, clock=time.clock).look()
    assert len(listings(door)) == 1 + 1  # what is before the first open item is left out
    assert service.status_calls == 0


def test_a_job_without_anything_open_costs_one_look_at_who_sends(journal, through, door, time):
    fill_journal(journal, names(3), submitted_at=time.now)
    journal.settle(
        *(Settlement(item=i, state=State.SUCCEEDED, request_id=f"r-{i}") for i in names(3))
    )
    account = wait(journal, deployment=through, clock=time.clock)
    assert account.counts == {State.SUCCEEDED: 3}
    asked = [call for call in door.calls if not call.startswith("PUT")]
    assert len(asked) <= 2
    assert all("submissions" in call or call.endswith("/none") for call in asked), asked


NESTED = Naming(template=KeyTemplate.parse("job={job}/{labels.kind}/{item}"))


@pytest.fixture(params=["folder by folder", "by bytes", "a directory"])
def nested(request, tmp_path, service, deployment):
    """A deployment whose results lie in folders, on a store of each order."""
    match request.param:
        case "folder by folder":
            bucket = deployment.bucket
        case "by bytes":
            bucket = Bucket(MemoryStore(), root=deployment.bucket.root)
        case "a directory":
            bucket = open_bucket(f"file://{tmp_path}/bucket")
    return dataclasses.replace(deployment, bucket=bucket, naming=NESTED)


def test_results_and_failures_in_folders_are_found_in_any_stores_order(journal, nested, time):
    """`a/x` and `a-b/x`: some stores list the one first, some the other."""
    keys = {
        f"{kind}-{name}": f"job={journal.job}/{kind}/{name}"
        for kind, name in itertools.product(AWKWARD, ["x", "x-y", "z"])
    }
    record(journal, keys, time)
    stored, failed = list(keys)[::2], list(keys)[1::4]
    fill_bucket(nested.bucket, [manifest_key(keys[item]) for item in stored])
    for item in failed:
        put_failure(nested.bucket, keys[item], request_id=f"r-{item}")
    tracker = Tracker(journal, deployment=nested, clock=time.clock)
    tracker.look()
    found = {entry.item for entry in journal.entries(states=[State.SUCCEEDED])}
    lost = {entry.item for entry in journal.entries(states=[State.FAILED])}
    assert (found, lost) == (set(stored), set(failed))


@pytest.mark.slow
def test_a_look_costs_what_is_open_and_not_what_there_is(journal, through, door, bucket, time):
    """Also of the failures, of which as many are there."""
    items = names(40)
    record(journal, {item: key(journal, item) for item in items}, time)
    others = [f"{item}-{number:02d}" for item in items for number in range(50)]
    fill_bucket(bucket, manifests(journal, others))
    fill_bucket(bucket, [failure_key(key(journal, item), "0a1b2c3d") for item in others])
    journal.settle(
        *(Settlement(item=i, state=State.CANCELED, request_id=f"r-{i}") for i in items[2:-1])
    )
    tracker = Tracker(journal, deployment=through, clock=time.clock)
    for _ in range(2):
        door.calls.clear()
        tracker.look()
        # Those of the first two are neighbours, the last is two pages further.
        assert len(listings(door)) == 2 + 2
    assert [call for call in door.calls if "list-type" not in call] == []


def test_what_no_listing_shows_is_asked_for_before_it_counts_as_lost(
    journal, deployment, bucket, service, time, monkeypatch
):
    """A store may list in an order of its own."""
    fill_journal(journal, ["a", "b"], submitted_at=time.now)
    commit(bucket, a_manifest(journal.job, "a"))
    service.statuses |= {f"r-{item}": RequestStatus(status="EXPIRED") for item in "ab"}
    monkeypatch.setattr(Bucket, "pages", lambda *_, **__: iter(()))
    account = wait(journal, deployment=deployment, clock=time.clock, timeout_seconds=60)
    assert account.counts == {State.SUCCEEDED: 1, State.EXPIRED: 1}


def test_a_failure_is_read_once_and_forgotten_with_its_request(
    journal, through, door, bucket, time
):
    fill_journal(journal, ["a"], submitted_at=time.now)
    put_failure(bucket, key(journal, "a"), request_id="r-a", retryable=True)
    tracker = Tracker(journal, deployment=through, clock=time.clock)
    for reads in (1, 0):
        door.calls.clear()
        tracker.look()
        assert len([call for call in door.calls if ".json" in call.split("?")[0]]) == reads
    fill_bucket(bucket, manifests(journal, ["a"]))
    fill_journal(journal, ["b"], submitted_at=time.now)
    tracker.look()
    assert tracker._listing._read == set()


def test_a_wrong_clock_is_named_and_waiting_again_finishes(journal, through, door, bucket, time):
    fill_journal(journal, ["a"], submitted_at=time.now)
    with door.answering(403, SKEWED), pytest.raises(AccessDeniedError, match="clock") as refused:
        wait(journal, deployment=through, clock=time.clock)
    assert f"`outbox wait {journal.job}` goes on" in refused.value.__notes__[0]
    fill_bucket(bucket, manifests(journal, ["a"]))
    assert wait(journal, deployment=through, clock=time.clock).succeeded


def test_a_bucket_that_is_gone_is_named_and_waiting_again_finishes(
    journal, deployment, seaweedfs, bucket, time
):
    gone = open_bucket("s3://no-such-bucket/x", endpoint_url=seaweedfs.endpoint_url)
    elsewhere = Deployment(api=deployment.api, bucket=gone, naming=deployment.naming)
    fill_journal(journal, ["a"], submitted_at=time.now)
    with pytest.raises(StoreError, match="no such bucket"):
        wait(journal, deployment=elsewhere, clock=time.clock)
    fill_bucket(bucket, manifests(journal, ["a"]))
    assert wait(journal, deployment=deployment, clock=time.clock).succeeded


def test_a_revoked_key_is_named_and_waiting_again_finishes(
    journal, deployment, service, bucket, time
):
    def revoked():
        raise UnauthorizedError("the service refuses the API key (HTTP 401)", status=401)

    asked, service.queue_status = service.queue_status, revoked
    fill_journal(journal, ["a"], submitted_at=time.now)
    with pytest.raises(UnauthorizedError) as refused:
        wait(journal, deployment=deployment, clock=time.clock)
    assert "BASETEN_API_KEY" in refused.value.__notes__[0]
    service.queue_status = asked
    fill_bucket(bucket, manifests(journal, ["a"]))
    assert wait(journal, deployment=deployment, clock=time.clock).succeeded


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_while_waiting_changes_nothing(
    journal, deployment, service, time, hours
):
    """What the service ended is still found out within a minute."""
    fill_journal(journal, ["a"], submitted_at=time.now)
    service.statuses["r-a"] = RequestStatus(status="QUEUED")
    time.jump(hours * 3600)
    service.statuses["r-a"] = RequestStatus(status="EXPIRED")
    account = wait(journal, deployment=deployment, clock=time.clock, timeout_seconds=60)
    assert account.counts == {State.EXPIRED: 1}


def test_a_bucket_that_is_away_for_a_while_is_waited_for(journal, through, door, bucket, time):
    fill_journal(journal, ["a"], submitted_at=time.now)
    fill_bucket(bucket, manifests(journal, ["a"]))
    notes = []

    def note(event):
        if event.note:
            notes.append(event.note)

    with contextlib.ExitStack() as away:
        away.enter_context(door.answering(503, b""))
        time.on_sleep = away.close
        account = wait(journal, deployment=through, clock=time.clock, progress=note)
    assert account.succeeded
    assert notes == ["the bucket does not answer; still trying"]


def test_what_was_found_late_does_not_make_the_rest_wait_long(
    journal, deployment, service, bucket, time
):
    """Results that lay there for a day took no day; and the queue is never empty."""
    now = datetime.datetime.now(datetime.UTC).timestamp()
    fill_journal(journal, ["a", "b"], submitted_at=now - 10)
    fill_bucket(bucket, manifests(journal, ["a"]))
    time.now = now + 86_400
    service.statuses["r-b"] = RequestStatus(status="EXPIRED")
    service.statuses["somebody else's"] = RequestStatus(status="QUEUED")
    account = wait(journal, deployment=deployment, clock=time.clock, timeout_seconds=60)
    assert account.counts == {State.SUCCEEDED: 1, State.EXPIRED: 1}


def test_a_result_that_is_seen_before_the_submits_answer_is_seen_once(
    journal, deployment, bucket, time
):
    fill_journal(journal, ["a"], submitted_at=time.now)
    journal._write("UPDATE entries SET state = 'sending', request_id = NULL", [{}])
    fill_bucket(bucket, manifests(journal, ["a"]))
    seen = []
    tracker = Tracker(journal, deployment=deployment, clock=time.clock, committed=seen.extend)
    tracker.look()
    (entry,) = journal.entries()
    journal.end_submits([Accepted(item="a", key=entry.key, request_id="r-a")])
    tracker.look()
    assert seen == manifests(journal, ["a"])
    assert journal.counts() == {State.SUCCEEDED: 1}
