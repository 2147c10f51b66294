"""The index has each result once, whatever happens while it is made."""

import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyarrow import parquet

from outbox_client import Naming
from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.errors import DamagedIndexError
from outbox_client.indexing.build import index
from outbox_client.indexing.results import results
from tests.outbox_client.committed import a_manifest, commit
from truss_outbox.contract.errors import StoreUnavailableError
from truss_outbox.contract.keys import KeyTemplate, escape, manifest_key
from truss_outbox.contract.manifest import ArtifactListing, ModelInfo, Timings


def rows(bucket: Bucket, job: str) -> list[dict]:
    """As any reader of Parquet sees them."""
    parts = [key for key in bucket.keys(f"index/job={escape(job)}/") if key.endswith(".parquet")]
    files = [parquet.read_table(io.BytesIO(bucket.get(part))) for part in sorted(parts)]
    return [row for file in files for row in file.to_pylist()]


def items(bucket: Bucket, job: str) -> list[str]:
    return sorted(row["item"] for row in rows(bucket, job))


class Door(Bucket):
    """The bucket, with something happening whenever an object is created."""

    def __init__(self, bucket: Bucket, happens) -> None:
        super().__init__(bucket._store, root=bucket.root)
        self._happens = happens

    def create_new(self, key: str, data: bytes) -> None:
        create = super().create_new
        self.calls.patiently(lambda: self._happens(lambda: create(key, data)))


def test_a_row_says_what_the_manifest_says(bucket, naming, job):
    commit(bucket, a_manifest(job, "a.pdf"))
    report = index(job, bucket=bucket, naming=naming)
    assert report.parts == [f"index/job={job}/part-00000000.parquet"]
    (row,) = rows(bucket, job)
    assert row["key"] == f"job={job}/a.pdf"
    assert row["labels"] == [("source", "scanner-2")]
    assert json.loads(row["result"]) == {"pages": 3, "languages": ["de", "日本"]}
    assert row["timings_ms"] == {"queue": None, "preprocess": 1.5, "predict": 800.25, "upload": 12}
    assert [(one["name"], one["size"]) for one in row["artifacts"]] == [("text.txt", 5)]
    assert row["model"] == {"name": "ocr", "version": "1", "environment": "production"}
    assert row["created_at"].isoformat() == "2026-03-01T12:00:00.123456+00:00"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"result": None, "labels": {}, "artifacts": [], "timings_ms": Timings()},
        {"result": 'not "JSON": \ud800'.encode(errors="replace").decode(), "unsafe_commit": True},
        {"result": [1, 2.5, {"a": None}], "labels": {"": "", "ü": "😀\n"}},
        {"model": ModelInfo(name="n", version="2"), "item": "../../x"},
    ],
)
def test_a_manifest_comes_out_of_the_index_as_it_went_in(bucket, seaweedfs, naming, job, changes):
    manifest = a_manifest(job, "a").model_copy(update=changes)
    commit(bucket, manifest)
    index(job, bucket=bucket, naming=naming)
    url = seaweedfs.endpoint_url
    (result,) = results(bucket.root, job, endpoint_url=url, refresh=False)
    assert result.manifest == manifest


def test_an_index_that_somebody_deletes_meanwhile_is_made_anew(bucket, naming, job):
    commit(bucket, *(a_manifest(job, name) for name in "abc"))
    gone = list[str]()

    def delete_once(create) -> None:
        create()
        if not gone:
            gone.extend(bucket.keys(f"index/job={job}/"))
            for key in gone:
                bucket.delete(key)

    report = index(job, bucket=Door(bucket, delete_once), naming=naming)
    assert gone
    assert report.added == 3
    assert items(bucket, job) == ["a", "b", "c"]


def test_a_result_of_very_many_artifacts_keeps_the_object_that_lists_them(
    bucket, seaweedfs, naming, job
):
    listing = ArtifactListing(
        **a_manifest(job, "a").artifacts[0].model_dump(), artifact_count=100_000, artifact_bytes=7
    )
    manifest = a_manifest(job, "a").naming(listing)
    commit(bucket, manifest, a_manifest(job, "b"))
    index(job, bucket=bucket, naming=naming)
    options = {"endpoint_url": seaweedfs.endpoint_url, "refresh": False}
    listed, named = (one.manifest for one in results(bucket.root, job, **options))
    assert (listed, listed.artifact_count) == (manifest, 100_000)
    assert (named, named.artifact_count) == (a_manifest(job, "b"), 1)


def test_a_second_run_adds_only_what_is_new(bucket, naming, job):
    commit(bucket, *(a_manifest(job, f"{n:03}") for n in range(25)))
    first = index(job, bucket=bucket, naming=naming, part_rows=10)
    assert (first.known, first.added, len(first.parts)) == (0, 25, 3)
    commit(bucket, a_manifest(job, "000-late"))
    second = index(job, bucket=bucket, naming=naming)
    assert (second.known, second.added) == (25, 1)
    assert second.parts == [f"index/job={job}/part-00000003.parquet"]
    third = index(job, bucket=bucket, naming=naming)
    assert (third.known, third.added, third.parts) == (26, 0, [])
    assert items(bucket, job) == sorted([*(f"{n:03}" for n in range(25)), "000-late"])


def test_a_jobs_name_is_escaped_as_in_keys_and_other_jobs_are_left_out(bucket, naming):
    commit(bucket, a_manifest("a b/ü", "x"), a_manifest("a b", "y"), a_manifest("a b/üx", "z"))
    report = index("a b/ü", bucket=bucket, naming=naming)
    assert report.parts == ["index/job=a%20b%2F%C3%BC/part-00000000.parquet"]
    assert items(bucket, "a b/ü") == ["x"]


def test_jobs_that_share_a_prefix_are_told_apart_by_their_manifests(bucket):
    flat = Naming(template=KeyTemplate.parse("{item}"))
    commit(bucket, a_manifest("j", "x", key="x"), a_manifest("k", "y", key="y"))
    assert index("j", bucket=bucket, naming=flat).added == 1
    assert items(bucket, "j") == ["x"]


def test_whoever_comes_second_adds_only_what_the_first_did_not(bucket, naming, job):
    """Between one's listing and one's writing, another indexes more than one has seen."""
    commit(bucket, *(a_manifest(job, f"{n:03}") for n in range(20)))
    turns = []

    def overtaken(create):
        turns.append(1)
        if len(turns) == 1:
            commit(bucket, a_manifest(job, "later"))
            index(job, bucket=bucket, naming=naming, part_rows=15)
        create()

    door = Door(bucket, overtaken)
    report = index(job, bucket=door, naming=naming, part_rows=7)
    assert (report.known, report.added) == (21, 0)
    assert items(bucket, job) == [*(f"{n:03}" for n in range(20)), "later"]


def test_several_at_once_index_each_result_once(bucket, naming, job):
    expected = {f"{n:03}" for n in range(120)}
    numbers = iter(sorted(expected))
    commit(bucket, *(a_manifest(job, next(numbers)) for _ in range(40)))

    def go_on(part_rows: int) -> None:
        for _ in range(4):
            index(job, bucket=bucket, naming=naming, part_rows=part_rows)

    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(go_on, part_rows) for part_rows in (7, 11, 13, 100)]
        commit(bucket, *(a_manifest(job, number) for number in numbers))
        for run in runs:
            run.result()
    index(job, bucket=bucket, naming=naming)
    assert items(bucket, job) == sorted(expected)


def test_a_lost_reply_neither_doubles_nor_hides_a_part(bucket, naming, job):
    commit(bucket, a_manifest(job, "a"), a_manifest(job, "b"))

    def lost(create):
        create()
        raise StoreUnavailableError("index", "the reply was lost")

    report = index(job, bucket=Door(bucket, lost), naming=naming)
    assert (report.added, len(report.parts)) == (2, 1)
    assert items(bucket, job) == ["a", "b"]


@pytest.mark.parametrize("stored", [True, False])
def test_an_indexer_that_dies_is_followed_by_one_that_goes_on(bucket, naming, job, stored):
    commit(bucket, *(a_manifest(job, f"{n:03}") for n in range(30)))
    turns = []

    def dying(create):
        turns.append(1)
        if len(turns) < 3 or stored:
            create()
        if len(turns) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index(job, bucket=Door(bucket, dying), naming=naming, part_rows=10)
    report = index(job, bucket=bucket, naming=naming)
    assert report.added == (0 if stored else 10)
    assert items(bucket, job) == [f"{n:03}" for n in range(30)]


def test_what_is_no_manifest_of_ours_is_named_and_the_rest_is_indexed(outbox, bucket, job):
    huge = a_manifest(job, "huge").artifacts[0].model_copy(update={"size": 10**30})
    commit(bucket, a_manifest(job, "good"), a_manifest(job, "huge", artifacts=[huge]))
    bad = {
        "broken": b"{",
        "other": a_manifest(job, "x").to_bytes().replace(b"manifest/v1", b"manifest/v9"),
        "moved": a_manifest(job, "y").to_bytes(),
        "endless": b"[" * (17 << 20),
        "infinite": a_manifest(job, "infinite")
        .to_bytes()
        .replace(b'"pages": 3', b'"pages": 1e999'),
    }
    for name, data in bad.items():
        bucket.create_new(manifest_key(f"job={job}/{name}"), data)
    result = outbox("index", job, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["added"] == 1
    unfit = {f"manifests/job={job}/{name}.json" for name in ("huge", "infinite")}
    assert {one["key"] for one in report["problems"]} == unfit
    named = {one["key"].rpartition("/")[2] for one in report["foreign"]["objects"]}
    assert named == {f"{name}.json" for name in bad} - {"infinite.json"}
    assert items(bucket, job) == ["good"]
    assert "2 wrong" in outbox("index", job).stdout


def test_an_index_with_a_hole_is_refused_with_the_remedy(outbox, bucket, naming, job):
    commit(bucket, a_manifest(job, "a"), a_manifest(job, "b"))
    index(job, bucket=bucket, naming=naming, part_rows=1)
    bucket.delete(f"index/job={job}/part-00000000.parquet")
    with pytest.raises(DamagedIndexError, match="is missing"):
        index(job, bucket=bucket, naming=naming)
    result = outbox("index", job)
    assert result.exit_code == 3
    assert f"delete index/job={job}/ and run `outbox index` again" in result.stderr


@pytest.mark.parametrize("data", [b"PAR1 not really PAR1", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_what_is_not_parquet_is_refused(bucket, naming, job, data):
    bucket.create_new(f"index/job={job}/part-00000000.parquet", data)
    with pytest.raises(DamagedIndexError, match="cannot be read"):
        index(job, bucket=bucket, naming=naming)


def test_a_directory_has_an_index_too(tmp_path, naming, job):
    bucket = open_bucket(f"file://{tmp_path}/results")
    commit(bucket, a_manifest(job, "a"))
    assert index(job, bucket=bucket, naming=naming).added == 1
    assert [result.manifest.item for result in results(bucket.root, job)] == ["a"]


def test_the_command_says_what_it_did(outbox, bucket, job):
    commit(bucket, a_manifest(job, "a"), a_manifest(job, "b"))
    result = outbox("index", job)
    assert result.exit_code == 0
    assert result.stdout == f"job {job}: 2 result(s) indexed in 1 new file(s), 0 were there\n"
