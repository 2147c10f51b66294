"""Each result and each failure comes once, however the queue delivers."""

import datetime
import itertools

import pytest

from outbox_client.queues.events import followed
from tests.outbox_client.committed import a_manifest, commit
from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.keys import failure_key
from truss_outbox.contract.manifest import Failure, ModelInfo

BUCKET, PREFIX = "scans", "outbox"
"""Of `memory_bucket`'s root."""


def committed(bucket, rig, *items, job="j", times=1):
    """Results that the queue tells of."""
    manifests = [a_manifest(job, item) for item in items]
    commit(bucket, *manifests)
    for _ in range(times):
        rig.tell(BUCKET, *(f"{PREFIX}/manifests/{one.key}.json" for one in manifests))


def failed(bucket, rig, item, attempt):
    failure = Failure(
        key=f"job=j/{item}",
        request_id="r",
        attempt=attempt,
        code="OUT_OF_MEMORY",
        message="it ran out of memory",
        retryable=True,
        model=ModelInfo(name="ocr", version="1"),
        created_at=datetime.datetime.now(datetime.UTC),
    )
    path = failure_key(failure.key, attempt)
    bucket.create_new(path, failure.to_bytes())
    rig.tell(BUCKET, f"{PREFIX}/{path}")


@pytest.fixture
def follow(rig, memory_bucket, tmp_path):
    """All that the queue tells of by now, or so many."""

    def follow(most=None):
        coming = followed(rig.address, memory_bucket, home=tmp_path, idle_seconds=0)
        try:
            return list(itertools.islice(coming, most))
        finally:
            coming.close()

    return follow


def test_results_and_failures_come_once_though_they_are_told_twice(rig, memory_bucket, follow):
    committed(memory_bucket, rig, "a b", "ü", times=2)
    failed(memory_bucket, rig, "c", "0a1b2c3d")
    failed(memory_bucket, rig, "c", "4e5f6a7b")
    found = follow()
    assert sorted(one.id for one in found) == [
        "job=j/%C3%BC/0a1b2c3d",
        "job=j/a%20b/0a1b2c3d",
        "job=j/c/0a1b2c3d",
        "job=j/c/4e5f6a7b",
    ]
    assert {one.manifest.item for one in found if one.manifest} == {"a b", "ü"}
    assert {one.failure.code for one in found if one.failure} == {"OUT_OF_MEMORY"}
    committed(memory_bucket, rig, "new")
    rig.tell(BUCKET, f"{PREFIX}/manifests/job=j/a%20b.json")
    assert [one.manifest.item for one in follow()] == ["new"]


def test_what_was_not_handled_comes_again_at_once(rig, memory_bucket, follow):
    committed(memory_bucket, rig, "a", "b", "c")
    (first,) = follow(most=1)
    rest = follow()
    assert sorted([*(one.manifest.item for one in rest)]) == ["a", "b", "c"]
    assert first.id in {one.id for one in rest}
    assert follow() == []


def test_others_messages_are_left_and_named(rig, memory_bucket, follow):
    rig.send("their own")
    rig.tell("another-bucket", f"{PREFIX}/manifests/job=j/a.json")
    rig.tell(BUCKET, "other-outbox/manifests/job=j/a.json")
    committed(memory_bucket, rig, "a")
    assert [one.manifest.item for one in follow()] == ["a"]
    assert {one.key for one in memory_bucket.foreign} == {
        "queue",
        f"queue: another-bucket/{PREFIX}/manifests/job=j/a.json",
        f"queue: {BUCKET}/other-outbox/manifests/job=j/a.json",
    }


def test_what_is_below_the_root_and_no_record_is_passed_over(rig, memory_bucket, follow):
    memory_bucket.create("manifests/job=j/broken.json", b"{}")
    rig.tell(
        BUCKET,
        f"{PREFIX}/artifacts/job=j/a/0a1b2c3d/text.txt",
        f"{PREFIX}/manifests/job=j/gone.json",
        f"{PREFIX}/manifests/job=j/broken.json",
        f"{PREFIX}/manifests/a file.json",
        f"{PREFIX}/manifests/outbox-doctor/canary.json",
    )
    assert follow() == []
    named = {one.key for one in memory_bucket.foreign}
    assert named == {"manifests/job=j/broken.json", "manifests/a file.json"}


def test_a_queue_that_is_not_there_is_told_of(rig, memory_bucket, tmp_path):
    with pytest.raises(ConfigurationError, match="there is no such"):
        next(followed(rig.missing(), memory_bucket, home=tmp_path, idle_seconds=0))
