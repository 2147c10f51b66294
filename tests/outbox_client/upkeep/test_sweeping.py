"""Sweeping: what no manifest names goes, after its time; everything else stays."""

import datetime
import uuid

import pytest

from outbox_client import Batch, Item
from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.bucket.records import owners
from outbox_client.sending.body import make_body
from outbox_client.upkeep.found import Kept, Orphan
from outbox_client.upkeep.sweep import LEAST_GRACE, sweep_attempts, sweep_probes
from outbox_client.upkeep.sweep import sweep as sweep_all
from outbox_client.upkeep.uploads import Uploads
from tests.outbox_client.fake_service import FakeService
from tests.outbox_client.iam import owner
from truss_outbox.contract.errors import AccessDeniedError
from truss_outbox.contract.manifest import Manifest
from truss_outbox.contract.root import Root
from truss_outbox.stores import open_store


@pytest.fixture(params=["seaweedfs", "directory"])
def swept(request, tmp_path, root, naming, seaweedfs_options):
    """A bucket with three results and the service that makes more."""
    if request.param == "seaweedfs":
        request.getfixturevalue("bucket_environment")
        store = open_store(root, s3=seaweedfs_options)
        bucket = open_bucket(root, endpoint_url=seaweedfs_options.endpoint_url)
    else:
        store = open_store(f"file://{tmp_path}/bucket")
        bucket = open_bucket(f"file://{tmp_path}/bucket")
    service = FakeService(store, naming, tmp_path / "model")
    for item in ("a", "b/c", "deadbeef"):
        service.submit(body(item))
    return bucket, service


def body(item, job="j"):
    return {
        "model_input": {"document": {"base64": "aGVsbG8="}, "metadata": {"job": job, "item": item}}
    }


def everything(bucket):
    return set(bucket.keys("artifacts/")) | set(bucket.keys("manifests/"))


def sweep(bucket, before, *, delete=True):
    return list(sweep_attempts(bucket, before=before, delete=delete))


def test_orphans_are_found_and_only_those(swept, sweep_time):
    bucket, _ = swept
    results = everything(bucket)
    assert sweep(bucket, sweep_time) == []
    orphans = {
        "artifacts/job=j/a/00000000/copy.bin",  # lost the race against a's manifest
        "artifacts/job=j/a/00000000/pages/0001.png",
        "artifacts/job=j/new/11111111/copy.bin",  # crashed before its manifest
        "artifacts/job=j/deadbeef/22222222/x",
    }
    for key in orphans:
        bucket.create(key, b"1234")

    shown = sweep(bucket, sweep_time, delete=False)
    assert {key for orphan in shown for key in orphan.keys} == orphans
    assert sum(orphan.size for orphan in shown) == 16
    assert not any(orphan.deleted for orphan in shown)
    assert everything(bucket) == results | orphans

    deleted = sweep(bucket, sweep_time)
    assert {key for orphan in deleted for key in orphan.keys} == orphans
    assert all(orphan.deleted for orphan in deleted)
    assert everything(bucket) == results


def test_nothing_younger_than_the_grace_time_goes(swept):
    bucket, _ = swept
    bucket.create("artifacts/job=j/new/11111111/copy.bin", b"x")
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    assert sweep(bucket, long_ago) == []


class Appearing(Bucket):
    """A bucket in which a manifest appears after it was looked for once."""

    def __init__(self, bucket, key, manifest):
        super().__init__(bucket._store, root=bucket.root)
        self._appearing, self._manifest = key, manifest
        self.looks = 0

    def get(self, key, **options):
        if key == self._appearing:
            self.looks += 1
            if self.looks == 2:
                super().create(key, self._manifest)
        return super().get(key, **options)


def test_a_manifest_that_appears_meanwhile_saves_its_attempt(swept, sweep_time):
    bucket, _ = swept
    standing = Manifest.from_bytes(bucket.get("manifests/job=j/a.json"))
    late = standing.model_copy(update={"key": "job=j/late", "attempt": "33333333"})
    key = "artifacts/job=j/late/33333333/copy.bin"
    bucket.create(key, b"x")

    appearing = Appearing(bucket, "manifests/job=j/late.json", late.to_bytes())
    assert sweep(appearing, sweep_time) == []
    assert appearing.looks == 2
    assert key in set(bucket.keys("artifacts/"))


def test_what_cannot_be_judged_is_kept_and_said(swept, sweep_time):
    bucket, _ = swept
    bucket.create("artifacts/job=j/future/44444444/x", b"x")
    bucket.create("manifests/job=j/future.json", b'{"schema": "outbox.manifest/v9"}')
    bucket.create("artifacts/mine.txt", b"x")
    before = everything(bucket)

    (kept,) = sweep(bucket, sweep_time)

    assert isinstance(kept, Kept)
    assert (kept.prefix, "v9" in kept.why) == ("artifacts/job=j/future/44444444/", True)
    assert [one.key for one in bucket.foreign] == ["artifacts/mine.txt"]
    assert everything(bucket) == before


def test_an_item_that_looks_like_an_attempt_keeps_its_result(swept, sweep_time):
    assert owners("artifacts/job=j/deadbeef/0123abcd/pages/1.png") == (
        ("job=j", "deadbeef"),
        ("job=j/deadbeef", "0123abcd"),
    )
    bucket, service = swept
    service.submit(body("deadbeef", job="deadbeef"))
    before = everything(bucket)
    assert sweep(bucket, sweep_time) == []
    assert everything(bucket) == before


def test_many_attempts_of_one_job(swept, sweep_time):
    bucket, _ = swept
    for number in range(60):
        bucket.create(f"artifacts/job=k/{number:03}/{number:08x}/t", b"x")
        bucket.create(f"artifacts/job=k/{number:03}/{number:08x}/pages/1", b"x")
    deleted = sweep(bucket, sweep_time)
    assert len(deleted) == 60
    assert {len(orphan.keys) for orphan in deleted} == {2}
    assert list(bucket.keys("artifacts/job=k/")) == []


def test_whoever_may_not_read_manifests_deletes_nothing(swept, sweep_time):
    bucket, _ = swept

    class Forbidden(Bucket):
        def get(self, key, **options):
            raise AccessDeniedError(key, "no")

    before = everything(bucket)
    with pytest.raises(AccessDeniedError):
        sweep(Forbidden(bucket._store, root=bucket.root), sweep_time)
    assert everything(bucket) == before


def test_probes_left_behind_go(swept, sweep_time):
    bucket, _ = swept
    bucket.create("probes/12345678", b"x")
    (shown,) = sweep_probes(bucket, before=sweep_time, delete=False)
    assert shown == Orphan(prefix="probes/12345678", keys=("probes/12345678",), size=1)
    assert len(list(sweep_probes(bucket, before=sweep_time, delete=True))) == 1
    assert list(bucket.keys("probes/")) == []


def test_unfinished_uploads_are_aborted_below_the_root_alone(seaweedfs, sweep_time):
    s3, prefix = owner(seaweedfs, "s3"), uuid.uuid4().hex
    for key in (f"{prefix}/artifacts/job=j/a/00000000/big.bin", f"{prefix}-other/x"):
        s3.create_multipart_upload(Bucket="outbox", Key=key)
    uploads = Uploads(s3, Root.parse(f"s3://outbox/{prefix}"))
    now = datetime.datetime.now(datetime.UTC)

    assert list(uploads.sweep(before=now - datetime.timedelta(hours=1), delete=True)) == []
    (shown,) = uploads.sweep(before=sweep_time, delete=False)
    assert shown.key == "artifacts/job=j/a/00000000/big.bin"
    (aborted,) = uploads.sweep(before=sweep_time, delete=True)
    assert aborted.aborted
    assert list(uploads.sweep(before=sweep_time, delete=True)) == []
    other = Uploads(s3, Root.parse(f"s3://outbox/{prefix}-other"))
    assert list(other.sweep(before=sweep_time, delete=True))
    s3.close()


def test_inputs_stay_whatever_their_age_for_requests_yet_to_run_name_them(swept, sweep_time):
    bucket, _ = swept
    item = Item(name="large", inputs={"text": "x" * 300_000})
    metadata = make_body(Batch(job="j"), item, bucket).content["model_input"]["metadata"]
    found = sweep_all(
        bucket, None, grace=LEAST_GRACE, delete=True, now=sweep_time + datetime.timedelta(days=90)
    )
    assert list(found) == []
    assert list(bucket.keys("inputs/")) == [metadata["model_input"]]
