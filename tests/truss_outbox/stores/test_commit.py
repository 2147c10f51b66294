"""The commit protocol, on every store."""

import json
import threading
from datetime import UTC, datetime

import pytest

from truss_outbox.contract.errors import (
    AccessDeniedError,
    KeyConflictError,
    ManifestError,
    NotFoundError,
    StoreUnavailableError,
)
from truss_outbox.contract.manifest import Failure, Manifest, ModelInfo
from truss_outbox.stores.commit import commit, find_manifest, record_failure
from truss_outbox.stores.memory import MemoryStore
from truss_outbox.stores.upload import upload_artifacts

NOW = datetime(2026, 1, 2, tzinfo=UTC)
KEY = "job=J/I"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "text.txt").write_bytes(b"text")
    (tmp_path / "page.png").write_bytes(b"image")
    return {"text.txt": tmp_path / "text.txt", "pages/page-0001.png": tmp_path / "page.png"}


def manifest(attempt="00000001", fingerprint="a" * 64, artifacts=(), request_id="R"):
    return Manifest(
        key=KEY,
        request_id=request_id,
        job="J",
        item="I",
        attempt=attempt,
        fingerprint=fingerprint,
        model=ModelInfo(name="M", version="1"),
        created_at=NOW,
        artifacts=list(artifacts),
    )


def stored(store, files, **values):
    return commit(store, upload_artifacts(store, files, manifest(**values)))


def test_a_committed_manifest_is_found_with_artifacts_that_are_there(store, files):
    committed = stored(store, files)
    assert find_manifest(store, KEY) == committed
    assert [a.name for a in committed.artifacts] == ["text.txt", "pages/page-0001.png"]
    first = committed.artifacts[0]
    assert (first.size, first.content_type) == (4, "text/plain")
    assert first.uri == f"{store.root}/artifacts/job=J/I/00000001/text.txt"
    assert store.get("artifacts/job=J/I/00000001/text.txt") == b"text"


def test_nothing_is_found_before_the_commit(store, files):
    upload_artifacts(store, files, manifest())
    assert find_manifest(store, KEY) is None


def test_the_loser_of_a_race_gets_the_winners_result_and_leaves_nothing(store, files):
    winner = stored(store, files, attempt="00000001")
    assert stored(store, files, attempt="00000002") == winner
    assert store.get("artifacts/job=J/I/00000001/text.txt") == b"text"
    for name in files:
        with pytest.raises(NotFoundError):
            store.get(f"artifacts/job=J/I/00000002/{name}")


def test_a_key_is_never_reused_for_another_input(store, files):
    winner = stored(store, files, request_id="first")
    with pytest.raises(KeyConflictError, match="first"):
        stored(store, files, attempt="00000002", fingerprint="b" * 64)
    assert find_manifest(store, KEY) == winner
    with pytest.raises(NotFoundError):
        store.get("artifacts/job=J/I/00000002/text.txt")


def test_a_commit_whose_reply_was_lost_is_recognized_as_ones_own(store, files):
    committed = stored(store, files)
    assert commit(store, committed) == committed
    assert store.get("artifacts/job=J/I/00000001/text.txt") == b"text"


def test_a_failure_is_recorded_once_per_attempt(store):
    failure = Failure(
        key=KEY,
        request_id="R",
        attempt="00000001",
        code="INVALID_INPUT",
        message="pages: no",
        retryable=False,
        model=ModelInfo(name="M", version="1"),
        created_at=NOW,
    )
    record_failure(store, failure)
    record_failure(store, failure)
    assert Failure.from_bytes(store.get("failures/job=J/I/00000001.json")) == failure


class FailingStore(MemoryStore):
    """Fails to store, and to delete, what ends in `suffix`."""

    suffix = "page-0001.png"
    deleted: list[str]

    def put_file(self, key, path, *, content_type):
        if key.endswith(self.suffix):
            raise StoreUnavailableError(key, "down")
        return super().put_file(key, path, content_type=content_type)


def test_a_failed_upload_leaves_no_artifact(files):
    store = FailingStore()
    with pytest.raises(StoreUnavailableError):
        upload_artifacts(store, files, manifest())
    assert store.all_keys() == []


class UndeletableStore(FailingStore):
    def delete(self, key):
        raise StoreUnavailableError(key, "down")


class MeetingStore(MemoryStore):
    """Stores a file when another one is on its way, too."""

    def __init__(self):
        super().__init__()
        self.meeting = threading.Barrier(2, timeout=10)

    def put_file(self, key, path, *, content_type):
        self.meeting.wait()
        return super().put_file(key, path, content_type=content_type)


def test_artifacts_travel_together(files):
    artifacts = upload_artifacts(MeetingStore(), files, manifest()).artifacts
    assert [a.name for a in artifacts] == list(files)


def test_what_cannot_be_cleaned_up_does_not_hide_the_failure(files):
    with pytest.raises(StoreUnavailableError, match=r"page-0001\.png"):
        upload_artifacts(UndeletableStore(), files, manifest())


def test_an_unsafe_artifact_name_is_refused_before_anything_is_stored(files, tmp_path):
    store = MemoryStore()
    with pytest.raises(ValueError, match="cannot be an artifact's name"):
        upload_artifacts(store, files | {"../x": tmp_path / "text.txt"}, manifest())
    assert store.all_keys() == []


def test_a_file_that_is_missing_is_found_out_before_anything_is_stored(files, tmp_path):
    store = MemoryStore()
    with pytest.raises(ValueError, match="no file"):
        upload_artifacts(store, files | {"x.txt": tmp_path / "x"}, manifest())
    assert store.all_keys() == []


def test_unknown_fields_of_a_manifest_are_kept():
    document = json.loads(manifest().to_bytes()) | {"cost": 3}
    document["model"]["gpu"] = "H100"
    again = json.loads(Manifest.from_bytes(json.dumps(document).encode()).to_bytes())
    assert again == document


def artifact(**values):
    return {"name": "x", "uri": "", "size": 1, "content_type": "", "sha256": "a" * 64} | values


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"schema": "outbox.manifest/v3"}, "update Outbox"),
        ({"schema": "outbox.manifest/v2"}, "v2 an artifact_listing"),
        ({"schema": None}, "update Outbox"),
        ({"attempt": "../../.."}, "attempt"),
        ({"artifacts": [artifact(name="../x")]}, "cannot be"),
        ({"artifacts": [artifact(size=-1)]}, "size"),
        ({"artifacts": [artifact(sha256="none")]}, "sha256"),
    ],
)
def test_a_manifest_that_cannot_be_trusted_is_refused(change, problem):
    document = json.loads(manifest().to_bytes()) | change
    with pytest.raises(ManifestError, match=problem):
        Manifest.from_bytes(json.dumps(document).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'"x"', b"\xff"])
def test_what_is_no_manifest_at_all_is_refused(data):
    with pytest.raises(ManifestError):
        Manifest.from_bytes(data)


def test_what_was_swept_while_the_model_hung_is_never_committed(store, files):
    uploaded = upload_artifacts(store, files, manifest())
    store.delete("artifacts/job=J/I/00000001/pages/page-0001.png")

    with pytest.raises(StoreUnavailableError, match="00000001/: artifacts were swept"):
        commit(store, uploaded, seconds=7200)

    assert find_manifest(store, KEY) is None
    assert store.keys("artifacts/job=J/I/") == set()
    again = upload_artifacts(store, files, manifest(attempt="00000002"))
    committed = commit(store, again, seconds=7200)
    assert find_manifest(store, KEY) == committed


class Unlisted(MemoryStore):
    """Of a model that may not list its bucket."""

    def keys(self, prefix):
        raise AccessDeniedError(prefix, "no")


@pytest.mark.parametrize("seconds", [0, 7200])
def test_a_model_that_may_not_list_its_bucket_commits_all_the_same(files, seconds, caplog):
    store = Unlisted()
    commit(store, upload_artifacts(store, files, manifest()), seconds=seconds)
    assert find_manifest(store, KEY) is not None
    assert ("may have been swept" in caplog.text) == (seconds > 0)
