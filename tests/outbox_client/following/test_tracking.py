"""A sweep over a job: what it costs, what it sees, how it goes on when something is wrong."""

import contextlib
import dataclasses
import datetime
import itertools

import pytest

from outbox_client import Batch, Deployment, Item, Naming, State, submit, wait
from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.errors import UnauthorizedError
from outbox_client.following.tracker import Tracker
from outbox_client.journal.entries import Accepted, Settlement
from outbox_client.service.api import RequestStatus
from tests.end_to_end.s3_proxy import running_proxy
from tests.outbox_client.filling import fill_bucket, fill_journal, manifests
from truss_outbox.contract import KeyTemplate
from truss_outbox.contract.errors import AccessDeniedError, StoreError

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


def listings(door):
    return [call for call in door.calls if "list-type" in call]


def names(count):
    return [f"scan-{number:05d}.pdf" for number in range(count)]


def test_stretches_of_a_listing_cut_it_without_loss_or_overlap(any_bucket):
    paths = sorted(f"manifests/job=x/{name}.json" for name in AWKWARD)
    fill_bucket(any_bucket, paths)
    for first, second in itertools.combinations([None, *paths, "manifests/job=x/~~"], 2):
        found = any_bucket.objects_between("manifests/job=x/", after=first, until=second)
        expected = [path for path in paths if (first or "") < path <= second]
        assert sorted(one.key for one in found) == expected


def test_a_sweep_costs_a_call_per_thousand_open_results(
    journal, through, door, bucket, service, time
):
    items = names(2_500)
    fill_journal(journal, items, submitted_at=time.now)
    fill_bucket(bucket, manifests(journal, items[:2_400]))
    Tracker(journal, deployment=through, clock=time.clock).look()

    assert journal.counts() == {State.SUCCEEDED: 2_400, State.SENT: 100}
    assert len(listings(door)) == 3 + 1  # the manifests and the failures
    door.calls.clear()
    Tracker(journal, deployment=through, clock=time.clock).look()
    assert len(listings(door)) == 1 + 1  # what is before the first open item is left out
    assert service.status_calls == 0


def test_a_job_without_anything_open_costs_no_call(journal, through, door, time):
    fill_journal(journal, names(3), submitted_at=time.now)
    journal.settle(
        *(Settlement(item=i, state=State.SUCCEEDED, request_id=f"r-{i}") for i in names(3))
    )
    account = wait(journal, deployment=through, clock=time.clock)
    assert account.counts == {State.SUCCEEDED: 3}
    assert [call for call in door.calls if not call.startswith("PUT")] == []


def test_keys_that_lie_in_folders_are_listed_as_one_because_stores_order_them_differently(
    journal, deployment, service, documents, time
):
    nested = Naming(template=KeyTemplate.parse("job={job}/{labels.kind}/{item}"))
    service.naming = nested
    deployment = dataclasses.replace(deployment, naming=nested)
    for kind in ("a", "a-b", "a.b"):
        items = [Item.of_file(documents / "a.txt", f"{kind}.txt")]
        batch = Batch(job=journal.job, labels={"kind": kind})
        submit(items, batch, deployment=deployment, journal=journal, clock=time.clock)
    Tracker(journal, deployment=deployment, clock=time.clock).look()
    assert journal.counts() == {State.SUCCEEDED: 3}


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
