"""What reaches the disk is whole, verified and inside the directory."""

import json
from pathlib import Path

import pytest

from outbox_client import Batch, fetch, find_items, submit
from truss_outbox.contract.manifest import Manifest


@pytest.fixture
def committed(documents, deployment, journal):
    """Three results in the bucket."""
    submit(find_items([documents]), Batch(job=journal.job), deployment=deployment, journal=journal)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def fetched(committed, deployment, job, out):
    """Fetches; returns the results by item."""

    def fetched():
        report = fetch(job, out, bucket=deployment.bucket, naming=deployment.naming)
        return {result.item: result for result in report.results}

    return fetched


@pytest.fixture
def manifest(committed, bucket, job) -> Manifest:
    """Of a.txt."""
    return Manifest.from_bytes(bucket.get(f"manifests/job={job}/a.txt.json"))


@pytest.fixture
def replace(bucket):
    """Puts other bytes under a key, which no part of Outbox would do."""

    def replace(key: str, data: bytes) -> None:
        bucket.delete(key)
        bucket.create(key, data)

    return replace


def files_below(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*")}


def copy_key(manifest: Manifest) -> str:
    return f"artifacts/{manifest.key}/{manifest.attempt}/copy.bin"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"alphb", "its SHA-256 is not the manifest's"),
        (b"alph", "4 bytes instead of 5"),
        (b"", "0 bytes instead of 5"),
        (b"alpha and more", "more bytes than the 5"),
    ],
)
def test_a_corrupt_artifact_leaves_nothing_and_the_others_come(
    fetched, manifest, replace, out, data, said
):
    replace(copy_key(manifest), data)
    results = fetched()

    assert said in results["a.txt"].problem
    assert "copy.bin" in results["a.txt"].problem
    assert not {name for name in files_below(out) if name.startswith("a.txt/") and "." in name[6:]}
    assert results["b.txt"].problem is None
    assert (out / "b.txt" / "copy.bin").read_bytes() == b"beta"


def test_a_missing_artifact_is_named(fetched, manifest, bucket, out):
    bucket.delete(copy_key(manifest))
    result = fetched()["a.txt"]
    assert result.code == "NOT_FOUND"
    assert "copy.bin" in result.problem
    assert not (out / "a.txt" / "manifest.json").exists()


def test_a_damaged_or_missing_file_is_brought_again_and_nothing_else(fetched, out):
    fetched()
    (out / "a.txt" / "copy.bin").write_bytes(b"alphx")
    (out / "b.txt" / "pages" / "size.txt").unlink()
    untouched = (out / "b.txt" / "copy.bin").stat().st_mtime_ns

    results = fetched()

    assert {item: result.downloaded for item, result in results.items()} == {
        "a.txt": 1,
        "b.txt": 1,
        "more/c.txt": 0,
    }
    assert (out / "a.txt" / "copy.bin").read_bytes() == b"alpha"
    assert (out / "b.txt" / "copy.bin").stat().st_mtime_ns == untouched
    assert not {name for name in files_below(out) if name.endswith(".part")}


def test_a_folder_that_is_no_longer_whole_has_no_manifest(fetched, manifest, replace, out):
    fetched()
    (out / "a.txt" / "copy.bin").unlink()
    replace(copy_key(manifest), b"alphb")
    assert fetched()["a.txt"].code == "CORRUPT_ARTIFACT"
    assert not (out / "a.txt" / "manifest.json").exists()


def test_the_folders_manifest_is_the_buckets(fetched, out, bucket, job):
    fetched()
    stored = bucket.get(f"manifests/job={job}/a.txt.json")
    assert (out / "a.txt" / "manifest.json").read_bytes() == stored


@pytest.mark.parametrize(
    "name",
    ["../escaped", "/etc/escaped", "a/../../escaped", "..", "a//b", ".hidden", "a\\..\\b", ""],
)
def test_a_manifest_with_a_name_that_leaves_its_folder_is_refused(
    fetched, bucket, manifest, replace, tmp_path, name
):
    document = json.loads(manifest.to_bytes())
    document["artifacts"][0]["name"] = name
    replace(f"manifests/{manifest.key}.json", json.dumps(document).encode())

    results = fetched()

    assert "a.txt" not in results
    (foreign,) = bucket.foreign
    assert foreign.code == "BAD_MANIFEST"
    assert not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attempt", "../../.."),
        ("attempt", "../../../x"),
        ("key", "../../../escaped"),
        ("schema", "outbox.manifest/v3"),
        ("artifacts", "none"),
    ],
)
def test_a_hostile_manifest_is_refused(fetched, bucket, manifest, replace, field, value):
    document = json.loads(manifest.to_bytes()) | {field: value}
    replace(f"manifests/{manifest.key}.json", json.dumps(document).encode())
    assert "a.txt" not in fetched()
    assert [one.code for one in bucket.foreign] == ["BAD_MANIFEST"]


@pytest.mark.parametrize(
    ("name", "problem"), [("pages/size.txt", "the name is taken"), ("manifest.json", "cannot be")]
)
def test_two_artifacts_cannot_share_a_name_nor_take_the_manifests(
    fetched, bucket, manifest, replace, name, problem
):
    document = json.loads(manifest.to_bytes())
    document["artifacts"][0]["name"] = name
    replace(f"manifests/{manifest.key}.json", json.dumps(document).encode())
    fetched()
    (foreign,) = bucket.foreign
    assert problem in foreign.problem


def test_a_link_that_leads_out_of_the_directory_is_not_followed(fetched, out, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    out.mkdir()
    (out / "a.txt").symlink_to(outside, target_is_directory=True)
    (out / "b.txt").mkdir()
    (out / "b.txt" / "pages").symlink_to(outside, target_is_directory=True)

    results = fetched()

    assert results["a.txt"].code == "UNSAFE_PATH"
    assert results["b.txt"].code == "UNSAFE_PATH"
    assert results["more/c.txt"].problem is None
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("content", [b"mine!", b"alpha"])
def test_a_file_that_is_a_link_is_replaced_and_its_target_kept(fetched, out, tmp_path, content):
    outside = tmp_path / "precious"
    outside.write_bytes(content)
    (out / "a.txt").mkdir(parents=True)
    (out / "a.txt" / "copy.bin").symlink_to(outside)

    assert fetched()["a.txt"].problem is None
    assert outside.read_bytes() == content
    assert not (out / "a.txt" / "copy.bin").is_symlink()
    assert (out / "a.txt" / "copy.bin").read_bytes() == b"alpha"


def test_the_directory_itself_may_be_a_link(fetched, out, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    out.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert fetched()["a.txt"].problem is None
    assert (tmp_path / "elsewhere" / "a.txt" / "copy.bin").read_bytes() == b"alpha"


def test_a_file_in_the_way_is_said_clearly(fetched, out):
    out.mkdir()
    (out / "a.txt").write_bytes(b"in the way")
    results = fetched()
    assert results["a.txt"].code == "LOCAL_FILE_ERROR"
    assert results["b.txt"].problem is None


def test_a_template_without_the_job_in_front_finds_the_job_by_its_manifests(
    documents, service, deployment, journal, out
):
    import dataclasses

    from outbox_client import Naming
    from truss_outbox.contract.keys import KeyTemplate

    naming = Naming(template=KeyTemplate.parse("{labels.team}/{job}/{item}"))
    service.naming = naming
    other = dataclasses.replace(deployment, naming=naming)
    for job in (journal.job, "another"):
        batch = Batch(job=job, labels={"team": "x"})
        submit(find_items([documents / "a.txt"]), batch, deployment=other, journal=journal)

    report = fetch(journal.job, out, bucket=deployment.bucket, naming=naming)

    assert [result.folder for result in report.results] == [out / "x" / journal.job / "a.txt"]


def test_a_directory_is_a_bucket_too(documents, journal, naming, tmp_path, out, time):
    from outbox_client import Deployment, State, wait
    from outbox_client.bucket.open_bucket import open_bucket
    from tests.outbox_client.fake_service import FakeService
    from truss_outbox.stores import open_store

    root = f"file://{tmp_path}/a bucket"
    (tmp_path / "documents" / "large.bin").write_bytes(b"x" * 300_000)
    service = FakeService(open_store(root), naming, tmp_path / "model")
    deployment = Deployment(api=service, bucket=open_bucket(root), naming=naming)
    items = find_items([documents])
    submit(items, Batch(job=journal.job), deployment=deployment, journal=journal)
    entries = wait(journal, deployment=deployment, timeout_seconds=60, clock=time.clock)
    report = fetch(journal.job, out, bucket=deployment.bucket, naming=naming)

    assert {entry.state for entry in entries} == {State.SUCCEEDED}
    assert not report.problems
    assert (out / "large.bin" / "copy.bin").stat().st_size == 300_000
