"""Artifacts' way into a store: how many at a time, of how many, and what becomes of them."""

import hashlib
import json
import os
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.truss_outbox.stores.test_commit import NOW, manifest
from truss_outbox.contract.errors import OutputsError, StoreUnavailableError
from truss_outbox.contract.listing import LISTING_NAME, read_listing
from truss_outbox.contract.manifest import MAX_ARTIFACTS, MOST_NAMED, Manifest, Timings
from truss_outbox.stores.commit import commit, find_manifest
from truss_outbox.stores.memory import MemoryStore
from truss_outbox.stores.streams import FileDigest
from truss_outbox.stores.upload import UploadThreads, check_files, upload_artifacts

LISTING = f"artifacts/job=J/I/00000001/{LISTING_NAME}"


@pytest.fixture
def files_of(tmp_path):
    """Makes a result's files, `size` bytes each, in no order of names."""

    def files_of(count, *, size=1):
        path = tmp_path / "file"
        path.touch()
        os.truncate(path, size)
        return {f"{number % 7}/x-{number}.txt": path for number in range(count)}

    return files_of


def test_a_manifest_of_many_artifacts_names_the_object_that_lists_them(files_of):
    store, files = MemoryStore(), files_of(MOST_NAMED + 1)

    committed = commit(store, upload_artifacts(store, files, manifest()))

    assert find_manifest(store, "job=J/I") == committed
    document = json.loads(store.get("manifests/job=J/I.json"))
    assert document["schema"] == "outbox.manifest/v2"
    assert "artifacts" not in document  # for a reader who does not look at the schema
    data = store.get(LISTING)
    assert document["artifact_listing"] == {
        "name": LISTING_NAME,
        "uri": f"memory:/{LISTING}",
        "size": len(data),
        "content_type": "application/jsonl",
        "sha256": hashlib.sha256(data).hexdigest(),
        "artifact_count": MOST_NAMED + 1,
        "artifact_bytes": MOST_NAMED + 1,
    }
    assert (committed.artifact_count, committed.artifact_bytes) == (MOST_NAMED + 1,) * 2
    lines = data.splitlines(keepends=True)
    listed = list(read_listing(lines, committed.artifact_listing))
    assert {one.name for one in listed} == files.keys()
    first = json.loads(lines[0])
    assert first == {
        "name": "0/x-0.txt",
        "uri": "memory:/artifacts/job=J/I/00000001/0/x-0.txt",
        "size": 1,
        "content_type": "text/plain",
        "sha256": hashlib.sha256(b"\0").hexdigest(),
    }


def test_a_manifest_of_a_thousand_artifacts_names_them_itself(files_of):
    store, files = MemoryStore(), files_of(MOST_NAMED)
    uploaded = upload_artifacts(store, files, manifest())
    assert uploaded.schema_ == "outbox.manifest/v1"
    assert [one.name for one in uploaded.artifacts] == list(files)
    assert (uploaded.artifact_count, uploaded.artifact_bytes) == (MOST_NAMED, MOST_NAMED)
    assert len(store.all_keys()) == MOST_NAMED


def test_the_first_schemas_bytes_stay_as_they_are(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    named = manifest().model_copy(update={"timings_ms": Timings(predict=1.5), "result": {"é": 1}})
    uploaded = upload_artifacts(MemoryStore(), {"a.txt": tmp_path / "a.txt"}, named)
    sha256 = hashlib.sha256(b"a").hexdigest()
    assert uploaded.to_bytes().decode() == (
        '{\n "schema": "outbox.manifest/v1",\n "key": "job=J/I",\n "request_id": "R",\n'
        ' "job": "J",\n "item": "I",\n "labels": {},\n "attempt": "00000001",\n'
        f' "fingerprint": "{"a" * 64}",\n'
        ' "model": {\n  "name": "M",\n  "version": "1",\n  "environment": null\n },\n'
        f' "created_at": "{NOW:%Y-%m-%dT%H:%M:%SZ}",\n'
        ' "timings_ms": {\n  "queue": null,\n  "preprocess": null,\n  "predict": 1.5,\n'
        '  "upload": null\n },\n "result": {\n  "é": 1\n },\n "artifacts": [\n  {\n'
        '   "name": "a.txt",\n   "uri": "memory:/artifacts/job=J/I/00000001/a.txt",\n'
        f'   "size": 1,\n   "content_type": "text/plain",\n   "sha256": "{sha256}"\n  }}\n ]\n}}\n'
    )


@pytest.mark.parametrize(
    "change",
    [
        {"artifacts": []},
        {"schema": "outbox.manifest/v2", "artifact_listing": None},
        {"artifact_listing": None},
    ],
)
def test_a_manifest_says_either_its_artifacts_or_where_they_are_listed(files_of, change):
    """One that says neither could be taken for a result without files."""
    store = MemoryStore()
    listed = json.loads(upload_artifacts(store, files_of(MOST_NAMED + 1), manifest()).to_bytes())
    listed = listed if "schema" in change else listed | {"schema": "outbox.manifest/v1"}
    with pytest.raises(ValueError, match=r"v1 has artifacts, .* an artifact_listing"):
        Manifest.from_bytes(json.dumps(listed | change).encode())


class FullStore(MemoryStore):
    """Takes so many files; counts the calls that delete."""

    def __init__(self, takes):
        super().__init__()
        self.left = takes
        self.asked = self.deletions = 0
        self._counting = threading.Lock()

    def put_file(self, key, path, *, content_type):
        with self._counting:
            self.left, self.asked = self.left - 1, self.asked + 1
        if self.left < 0:
            raise StoreUnavailableError(key, "full")
        return super().put_file(key, path, content_type=content_type)

    def delete_all(self, keys):
        self.deletions += 1
        super().delete_all(keys)


@pytest.mark.parametrize("takes", [1500, 3000])
def test_the_first_error_stops_the_others_and_nothing_is_left_there(files_of, takes):
    """Of an artifact, and of the object that lists all of them."""
    store = FullStore(takes)
    with pytest.raises(StoreUnavailableError, match="full"):
        upload_artifacts(store, files_of(3000), manifest())
    assert store.all_keys() == []
    assert store.asked < takes + 100
    assert store.deletions == 4  # a thousand with a call


def test_the_loser_of_a_race_deletes_all_that_it_had_listed(files_of):
    store, files = MemoryStore(), files_of(MOST_NAMED + 1)
    winner = commit(store, upload_artifacts(store, files, manifest()))
    second = upload_artifacts(store, files, manifest(attempt="00000002"))
    assert commit(store, second) == winner
    assert len(store.all_keys()) == MOST_NAMED + 3  # the listing, the manifest
    assert store.keys("artifacts/job=J/I/00000002/") == set()


@pytest.mark.parametrize("name", ["6/x-6.txt", LISTING_NAME])
def test_of_many_artifacts_too_none_may_have_been_swept(files_of, name):
    store = MemoryStore()
    uploaded = upload_artifacts(store, files_of(MOST_NAMED + 1), manifest())
    store.delete(f"artifacts/job=J/I/00000001/{name}")
    with pytest.raises(StoreUnavailableError, match="were swept"):
        commit(store, uploaded, seconds=7200)
    assert store.all_keys() == []


class CrowdedStore(MemoryStore):
    """Knows how many files came at a time; waits until `expected` of them are there."""

    def __init__(self, expected=1):
        super().__init__()
        self.most = self._now = 0
        self._expected = expected
        self._changed = threading.Condition()

    def put_file(self, key, path, *, content_type):
        with self._changed:
            self._now += 1
            self.most = max(self.most, self._now)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most >= self._expected, timeout=10)
            self._now -= 1
        return FileDigest(sha256="0" * 64, size=path.stat().st_size)


@pytest.mark.parametrize(("size", "most"), [(1000, 32), (1 << 20, 32), ((1 << 20) + 1, 8)])
def test_many_small_files_travel_at_a_time_and_few_large_ones(files_of, size, most):
    store = CrowdedStore(expected=most)
    upload_artifacts(store, files_of(100, size=size), manifest())
    assert store.most == most


def test_results_that_are_stored_at_the_same_time_share_the_connections(files_of):
    store, files = CrowdedStore(expected=8), files_of(200)
    with UploadThreads(16) as threads, ThreadPoolExecutor(4) as pool:

        def upload(number):
            return upload_artifacts(store, files, manifest(f"{number:08}"), threads=threads)

        assert all(len(one.artifacts) == 200 for one in pool.map(upload, range(4)))
    assert store.most == 8


@pytest.mark.slow
def test_memory_does_not_hold_every_artifact(files_of):
    def peak(count):
        files = files_of(count)
        tracemalloc.reset_peak()
        began = tracemalloc.get_traced_memory()[0]
        upload_artifacts(CrowdedStore(), files, manifest())
        return tracemalloc.get_traced_memory()[1] - began

    tracemalloc.start()
    try:
        assert peak(6_000) - peak(2_000) < 4_000 * 200  # an artifact takes a thousand bytes
    finally:
        tracemalloc.stop()


def test_a_result_of_too_many_files_is_refused_before_anything_is_stored():
    class Files(dict):
        def __len__(self):
            return MAX_ARTIFACTS + 1

    with pytest.raises(OutputsError, match=r"1,000,001 files are more than the 1,000,000"):
        check_files(Files())


def test_a_manifest_over_the_bound_is_refused_before_anything_is_stored(files_of, monkeypatch):
    monkeypatch.setattr("truss_outbox.contract.manifest.MAX_MANIFEST_BYTES", 2000)
    store = FullStore(100)
    with pytest.raises(OutputsError, match=r"bytes are more than the 2,000 of a manifest: return"):
        upload_artifacts(store, files_of(20), manifest())
    assert store.asked == 0
