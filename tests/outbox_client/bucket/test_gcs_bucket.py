"""The companion on Google Cloud Storage: obstore reads what the model's store has written."""

import uuid

import pytest

from outbox_client import Batch, Item, State, fetch, index, submit, wait
from outbox_client.bucket.open_bucket import open_bucket
from tests.gcs_door import Answer, Door, serving
from tests.outbox_client.committed import a_manifest, commit
from tests.outbox_client.fake_service import FakeService
from truss_outbox.contract.errors import ConfigurationError, NotFoundError, StoreError
from truss_outbox.contract.keys import manifest_key
from truss_outbox.stores import open_store

AWKWARD = ["../../x", "..", "a/b", "new\nline", "😀 smile.pdf", "%2F", "a", "A", ".part", "ä ö+&?#"]


@pytest.fixture
def root() -> str:
    return f"gs://outbox/client/{uuid.uuid4().hex[:8]}"


@pytest.fixture
def bucket(gcs_options, root):
    return open_bucket(root, endpoint_url=gcs_options.endpoint_url)


@pytest.fixture
def service(gcs_options, root, naming, tmp_path):
    return FakeService(open_store(root, gcs=gcs_options), naming, tmp_path / "model")


def test_documents_come_back_from_gcs(deployment, journal, time, tmp_path):
    items = []
    for number, name in enumerate(AWKWARD):
        (tmp_path / str(number)).write_bytes(name.encode())
        items.append(Item.of_file(tmp_path / str(number), name))
    submit(items, Batch(job=journal.job), deployment=deployment, journal=journal, clock=time.clock)
    entries = wait(journal, deployment=deployment, timeout_seconds=60, clock=time.clock)
    report = fetch(
        journal.job, tmp_path / "out", bucket=deployment.bucket, naming=deployment.naming
    )
    assert {entry.state for entry in entries} == {State.SUCCEEDED}
    assert not report.problems
    by_item = {result.item: result.folder for result in report.results}
    assert by_item.keys() == set(AWKWARD)
    for name, folder in by_item.items():
        assert (folder / "copy.bin").read_bytes() == name.encode()


@pytest.mark.slow  # test_bucket.py has it on SeaweedFS
def test_a_listing_has_more_than_one_page_and_stops_at_the_prefix(bucket, service):
    keys = [f"manifests/job=J/{number}.json" for number in range(1100)]
    for key in [*keys, "manifests/job=Jo/1.json"]:
        service.store.create(key, b"{}", content_type="application/json")
    assert sorted(bucket.keys("manifests/job=J/")) == sorted(keys)


def test_what_is_not_there_is_not_found(bucket):
    with pytest.raises(NotFoundError):
        bucket.get("nothing")
    assert not bucket.exists("nothing")


def test_inputs_are_created_only_where_nothing_is(gcs_options):
    with serving(door := Door(gcs_options.endpoint_url)):
        door.before = lambda _: Answer(status=412)
        open_bucket("gs://outbox/x", endpoint_url=door.url).create("inputs/1", b"x")
    (seen,) = door.seen
    assert (seen.method, seen.path) == ("PUT", "/outbox/x%2Finputs%2F1")
    assert seen.headers["x-goog-if-generation-match"] == "0"


@pytest.mark.xfail(raises=StoreError, reason="fake-gcs-server takes no uploads by the XML API")
def test_inputs_are_uploaded(bucket):
    bucket.create("inputs/1", b"x")


def test_missing_credentials_say_what_to_set(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with pytest.raises(ConfigurationError, match="gcloud auth application-default login"):
        open_bucket("gs://outbox")


def test_an_index_is_read_and_continued_on_gcs(bucket, service, naming, job, tmp_path):
    """The emulator takes no uploads by the XML API, so the part is made on a directory."""
    made = open_bucket(f"file://{tmp_path}/made")
    manifests = [a_manifest(job, item) for item in ("a", "b")]
    commit(made, *manifests)
    (part,) = index(job, bucket=made, naming=naming).parts
    service.store.create(part, made.get(part), content_type="application/octet-stream")
    for manifest in manifests:
        key = manifest_key(manifest.key)
        service.store.create(key, manifest.to_bytes(), content_type="application/json")
    report = index(job, bucket=bucket, naming=naming)
    assert (report.known, report.added) == (2, 0)
