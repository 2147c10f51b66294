"""What sweeping asks the bucket: two listings, and manifests where they leave something open."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.upkeep.found import Orphan
from outbox_client.upkeep.sweep import sweep_attempts
from tests.outbox_client.committed import a_manifest
from tests.truss_outbox.stores.s3.front_door import running_front_door
from truss_outbox.contract.keys import artifact_key, manifest_key

OLD = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE = OLD + timedelta(days=1)
MINE, OTHER = "0a1b2c3d", "99999999"


class Counting(Bucket):
    """A directory, whose files are as old as is wanted; it remembers what was read."""

    def __init__(self, directory) -> None:
        bucket = open_bucket(f"file://{directory}")
        super().__init__(bucket._store, root=bucket.root, native=bucket._native)
        self.directory = directory
        self.reads: list[str] = []

    def get(self, key, **options):
        self.reads.append(key)
        return super().get(key, **options)

    def store(self, key, *, seconds, data=b"1"):
        """An object of so many seconds after the beginning."""
        self.create(key, data)
        at = (OLD + timedelta(seconds=seconds)).timestamp()
        os.utime(self.directory / key, (at, at))

    def attempt(self, key, attempt=MINE, *, seconds=0.0):
        path = artifact_key(key, attempt, "text.txt")
        self.store(path, seconds=seconds)
        return path

    def commit(self, key, *, seconds, artifacts=None):
        changes = {} if artifacts is None else {"artifacts": artifacts}
        manifest = a_manifest("j", key, key=key, **changes)
        self.store(manifest_key(key), seconds=seconds, data=manifest.to_bytes())

    def swept(self, *, delete=False):
        found = list(sweep_attempts(self, before=BEFORE, delete=delete))
        assert all(isinstance(one, Orphan) for one in found)
        return [key for one in found for key in one.keys]


@pytest.fixture
def there(tmp_path):
    return Counting(tmp_path / "bucket")


def test_results_cost_no_call_each(there):
    for number in range(50):
        there.attempt(f"job=j/{number:02}", seconds=number)
        there.commit(f"job=j/{number:02}", seconds=number + 0.5)
    assert (there.swept(), there.reads) == ([], [])


def test_an_orphan_costs_one_and_before_it_is_deleted_another(there):
    for number in range(9):
        there.attempt(f"job=j/{number}", seconds=0)
        there.commit(f"job=j/{number}", seconds=1)
    orphans = [there.attempt("job=j/4", OTHER), there.attempt("job=j/lost")]
    assert sorted(there.swept()) == sorted(orphans)
    of_4, of_lost = manifest_key("job=j/4"), manifest_key("job=j/lost")
    assert sorted(there.reads) == [of_4, of_4, of_lost]  # both of its attempts
    there.reads.clear()
    assert sorted(there.swept(delete=True)) == sorted(orphans)
    assert sorted(there.reads) == sorted([of_4, of_4, of_4, of_lost, of_lost])


@pytest.mark.parametrize("seconds", [-60, -1, 3, 600])
def test_a_lone_attempt_is_read_where_its_manifest_came_at_another_time(there, seconds):
    """It stored files and crashed; the one that won had none, so its manifest names no attempt
    that is there."""
    there.commit("job=j/a", seconds=100 + seconds, artifacts=[])
    document = there.get(manifest_key("job=j/a")).replace(MINE.encode(), b"12345678")
    (there.directory / manifest_key("job=j/a")).unlink()
    there.store(manifest_key("job=j/a"), seconds=100 + seconds, data=document)
    left = there.attempt("job=j/a", seconds=100)
    assert there.swept(delete=True) == [left]


@pytest.mark.parametrize("seconds", [-60, 0, 3, 600])
def test_what_its_manifest_names_stays_whenever_it_came(there, seconds):
    there.attempt("job=j/a", seconds=100)
    there.commit("job=j/a", seconds=100 + seconds)
    assert there.swept(delete=True) == []


def test_attempts_of_keys_that_lie_in_one_another_are_told_apart(there):
    """`a/b` lies between two attempts of `a`."""
    there.attempt("a", MINE, seconds=0)
    there.attempt("a/b", MINE, seconds=0)
    lost = there.attempt("a", OTHER.replace("9", "f"), seconds=0)
    for key in ("a", "a/b"):
        there.commit(key, seconds=1)
    assert there.swept(delete=True) == [lost]


def test_orphans_of_many_attempts_go_in_one_call(bucket, seaweedfs, root, sweep_time):
    keys = [f"artifacts/job=j/{n:02}/{n:08x}/{name}" for n in range(20) for name in "ab"]
    for key in keys:
        bucket.create(key, b"1")
    with running_front_door(seaweedfs.endpoint_url) as door:
        own = open_bucket(root, endpoint_url=door.url)
        found = list(sweep_attempts(own, before=sweep_time, delete=True))
        assert (door.count("POST"), door.count("DELETE")) == (1, 0)
    assert sorted(key for one in found for key in one.keys) == keys
    assert len(found) == 20
    assert list(bucket.keys("artifacts/")) == []
