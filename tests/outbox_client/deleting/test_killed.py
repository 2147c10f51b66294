"""Ten thousand results are deleted by processes that are killed, beside a reader."""

import itertools
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import pytest

from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.bucket.records import listed_manifests, read_manifest
from outbox_client.indexing.build import index
from outbox_client.indexing.results import results
from tests.outbox_client.committed import a_manifest
from truss_outbox.contract.errors import NotFoundError
from truss_outbox.contract.keys import artifact_key, failure_key, manifest_key

RESULTS, OTHERS = 10_000, 500

DELETE = """
import sys
from outbox_client import Naming
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.deleting.delete import delete
from truss_outbox.contract.keys import KeyTemplate

root, *endpoint = sys.argv[1:]
bucket = open_bucket(root, endpoint_url=endpoint[0] if endpoint else None)
naming = Naming(template=KeyTemplate.parse("job={job}/{item}"))
delete("a", bucket=bucket, naming=naming, is_dry=False)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A root, and where its bucket is asked; a directory is not asked."""

    root: str
    endpoint_url: str | None = None

    def open(self) -> Bucket:
        return open_bucket(self.root, endpoint_url=self.endpoint_url)

    @property
    def deletion(self) -> list[str]:
        endpoint = [self.endpoint_url] if self.endpoint_url else []
        return [sys.executable, "-c", DELETE, self.root, *endpoint]


@pytest.fixture(params=["a directory", "s3"])
def place(request, tmp_path):
    if request.param == "a directory":
        return Place(root=f"file://{tmp_path / 'bucket'}")
    request.getfixturevalue("bucket_environment")
    endpoint_url = request.getfixturevalue("seaweedfs").endpoint_url
    return Place(root=request.getfixturevalue("root"), endpoint_url=endpoint_url)


def fill(bucket, job: str, count: int) -> None:
    """Results with an artifact each, every tenth of them failed before; and what was sent."""

    def store(number: int) -> None:
        made = a_manifest(job, f"{number:05}")
        bucket.create(artifact_key(made.key, made.attempt, "text.txt"), b"12345")
        if number % 10 == 0:
            bucket.create(failure_key(made.key, "0" * 8), b'{"schema": "outbox.failure/v1"}')
        bucket.create(manifest_key(made.key), made.to_bytes())

    for _ in bucket.in_threads(store, range(count)):
        pass
    for number in range(count // 1_000 + 1):
        header = {"schema": "outbox.submissions/v1", "job": job, "ended": True, "batches": []}
        bucket.create(
            f"submissions/job={job}/{'0' * 12}-{number:06}.jsonl", json.dumps(header).encode()
        )


class Reader(threading.Thread):
    """Looks at results again and again: each is there with its artifact, or not at all."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._bucket = place.open()
        self._place = place
        self.over = threading.Event()
        self.halves: list[str] = []
        self.looks = 0

    def run(self) -> None:
        while not self.over.wait(2):
            listed = listed_manifests(self._bucket, "job=a/")
            for found in itertools.islice(listed, 0, None, 997):
                self._look(found.key)
            endpoint_url = self._place.endpoint_url
            rows = results(self._place.root, "a", refresh=False, endpoint_url=endpoint_url)
            for one in itertools.islice(rows, 0, None, 997):
                self._look(manifest_key(one.manifest.key))

    def _look(self, path: str) -> None:
        self.looks += 1
        try:
            manifest, _ = read_manifest(self._bucket, path)
        except NotFoundError:
            return
        try:
            self._bucket.size(artifact_key(manifest.key, manifest.attempt, "text.txt"))
        except NotFoundError:
            # Gone: then the manifest went before.
            if self._bucket.exists(path):
                self.halves.append(path)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_deletion_of_ten_thousand_is_killed_three_times_and_finished(naming, place):
    bucket = place.open()
    fill(bucket, "a", RESULTS)
    fill(bucket, "ab", OTHERS)
    for job in ("a", "ab"):
        index(job, bucket=bucket, naming=naming)
    others = snapshot(bucket, "ab")
    reader = Reader(place)
    reader.start()
    try:
        left = []
        for folder in ("manifests", "artifacts", "failures"):
            kill_in_the_middle_of(folder, place)
            left.append(counted(bucket))
        subprocess.run(place.deletion, stdout=subprocess.DEVNULL, check=True, timeout=300)
    finally:
        reader.over.set()
        reader.join()
    manifests, artifacts, failures = ([one[place] for one in left] for place in range(3))
    assert 0 < manifests[0] < RESULTS
    assert artifacts[0] == RESULTS
    assert 0 < artifacts[1] < RESULTS
    assert manifests[1] == artifacts[2] == 0
    assert failures[2] < failures[1] == RESULTS // 10
    assert sum(counted(bucket)) == 0
    assert snapshot(bucket, "ab") == others
    assert reader.halves == []
    assert reader.looks > 10


FOLDERS = ("manifests", "artifacts", "failures", "index", "submissions")


def counted(bucket) -> tuple[int, ...]:
    return tuple(sum(1 for _ in bucket.keys(f"{folder}/job=a/")) for folder in FOLDERS)


def snapshot(bucket, job):
    return {
        (one.key, one.size, one.e_tag, one.modified_at)
        for folder in FOLDERS
        for one in bucket.objects(f"{folder}/job={job}/")
    }


def kill_in_the_middle_of(folder: str, place: Place) -> None:
    """With SIGKILL, once the deletion has begun with what is in the folder."""
    bucket = place.open()
    before = counted(bucket)[FOLDERS.index(folder)]
    with subprocess.Popen(place.deletion, stdout=subprocess.DEVNULL) as process:
        while sum(1 for _ in bucket.keys(f"{folder}/job=a/")) == before:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -9, "it had ended before"
