"""What is no manifest is the same to every command: named, with the same words, and passed over."""

import json

import pytest

from outbox_client.bucket.listed import StoredObject
from outbox_client.bucket.records import read_failure, read_listed
from outbox_client.upkeep.checks import Finding, check_deployed
from tests.outbox_client.committed import a_manifest, commit
from truss_outbox.contract.errors import StoreUnavailableError
from truss_outbox.contract.keys import failure_key, manifest_key
from truss_outbox.contract.manifest import MAX_MANIFEST_BYTES, Failure

WORDS = {
    "large": "it has more than the 16,777,216 bytes of a manifest",
    "foreign": "the manifest lies under a key that is not its own",
    "schema": "'outbox.manifest/v3' cannot be read by this version",
    "text": "the manifest is not JSON",
    "clash": "the name is taken",
}
"""What is wrong with each, and nothing else is."""

COMMANDS = {
    "fetch": ["--to", "out"],
    "index": [],
    "report": [],
    "presign": [],
    "sweep": ["--older-than", "0s"],
}
"""Their options."""


def wrong_manifests(good: dict, job: str) -> dict[str, bytes]:
    """By path, each like the good one but for the one thing."""

    def changed(name: str, **changes) -> bytes:
        return json.dumps(good | {"key": f"job={job}/{name}", "item": name} | changes).encode()

    clashing = [one | {"name": name} for one, name in zip(good["artifacts"], "aA", strict=True)]
    data = {
        "large": changed("large", padding="x" * MAX_MANIFEST_BYTES),
        "foreign": changed("a.txt"),
        "schema": changed("schema", schema="outbox.manifest/v3"),
        "text": changed("text")[:-1],
        "clash": changed("clash", artifacts=clashing),
    }
    return {manifest_key(f"job={job}/{name}"): data[name] for name in WORDS}


@pytest.fixture
def spoilt(outbox, documents, job, bucket):
    """Three results, and beside them five of which each is none in a way of its own."""
    assert outbox("submit", documents, "--job", job).exit_code == 0
    good = json.loads(bucket.get(f"manifests/job={job}/a.txt.json"))
    for path, data in wrong_manifests(good, job).items():
        bucket.create(path, data)
    for name in WORDS:
        for attempt in (good["attempt"], "0123abcd"):
            bucket.create(f"artifacts/job={job}/{name}/{attempt}/copy.bin", b"alpha")
    return {f"job={job}/{name}": words for name, words in WORDS.items()}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_it_with_the_same_words_and_goes_on(
    command, spoilt, outbox, job, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    result = outbox(command, *([] if command == "sweep" else [job]), *COMMANDS[command])

    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    for key, words in spoilt.items():
        told = [line for line in lines if key in line]
        # A sweep says it of each attempt.
        assert len(told) == (2 if command == "sweep" else 1)
        assert all(words in line for line in told)
    goes_on = {
        "fetch": "3 result(s) in out; 6 file(s) came anew",
        "index": "3 result(s) indexed",
        "report": "3 result(s), 6 file(s)",
        "presign": f"artifacts/job%3D{job}/more%252Fc.txt/",
        "sweep": "nothing to sweep",
    }
    assert goes_on[command] in result.output


def test_the_same_problems_are_in_every_json(spoilt, outbox, job, tmp_path):
    told = [
        {one["key"]: one["problem"] for one in document["foreign"]["objects"]}
        for document in (
            json.loads(outbox(*command, "--json").stdout)
            for command in (
                ("fetch", job, "--to", tmp_path / "out"),
                ("index", job),
                ("presign", job),
                ("report", job, "--to", tmp_path / "report.html"),
            )
        )
    ]
    assert told[0] == told[1] == told[2] == told[3]
    assert len(told[0]) == len(WORDS)
    page = (tmp_path / "report.html").read_text()
    assert [key for key in spoilt if key not in page] == []


@pytest.mark.usefixtures("spoilt")
def test_no_link_leads_to_the_artifacts_of_what_is_no_manifest(outbox, job):
    links = json.loads(outbox("presign", job, "--json").stdout)["links"]
    assert {link["item"] for link in links} == {"a.txt", "b.txt", "more/c.txt"}
    one = outbox("presign", job, "large")
    assert (one.exit_code, one.stdout) == (2, "")
    assert f"manifests/job={job}/large.json: {WORDS['large']}" in one.stderr


@pytest.mark.usefixtures("spoilt")
def test_status_takes_none_of_them_for_a_result(outbox, job, service, tmp_path):
    """Each would be the result of the very input that is sent, were it a manifest."""
    service.held = True
    (tmp_path / "again").mkdir()
    for name in WORDS:
        (tmp_path / "again" / name).write_bytes(b"alpha")
    outbox("submit", tmp_path / "again", "--job", job)

    counts = json.loads(outbox("status", job, "--json").stdout)["counts"]

    assert counts == {"succeeded": 3, "sent": len(WORDS)}


def test_the_doctor_looks_at_the_next_one(memory_bucket, naming):
    good = a_manifest("J", "a.txt", model={"name": "model", "version": "1"})
    document = json.loads(good.to_bytes())
    document["artifacts"].append(document["artifacts"][0] | {"name": "other.txt"})
    for path, data in wrong_manifests(document, "J").items():
        memory_bucket.create(path, data)
    commit(memory_bucket, good)
    seen = sorted(memory_bucket.objects("manifests/"), key=lambda found: "a.txt" in found.key)

    (last,) = check_deployed(memory_bucket, seen, naming=naming, model_version="1")

    assert len(memory_bucket.foreign) == len(WORDS)
    assert (last.name, last.finding) == ("deployed", Finding.OK)


def test_an_object_listed_as_too_large_is_not_asked_for(memory_bucket):
    found = StoredObject(key="manifests/x.json", size=MAX_MANIFEST_BYTES + 1, modified_at=None)
    assert read_listed(memory_bucket, found) is None
    (told,) = memory_bucket.foreign
    assert told.problem == WORDS["large"]  # it is not there: to ask would say so


def test_a_bucket_that_does_not_answer_is_no_fault_of_a_manifest(memory_bucket):
    class Away:
        def get(self, key, *, max_bytes):
            raise StoreUnavailableError(key, "no answer")

    found = StoredObject(key="manifests/x.json", size=1, modified_at=None)
    with pytest.raises(StoreUnavailableError):
        read_listed(Away(), found)


def test_a_failure_record_counts_under_its_own_key_alone(memory_bucket):
    manifest = a_manifest("J", "a.txt")
    failure = Failure(
        **{name: getattr(manifest, name) for name in ("key", "request_id", "attempt", "model")},
        code="INVALID_INPUT",
        message="pages: none",
        retryable=False,
        created_at=manifest.created_at,
    )
    own, foreign = (failure_key(key, failure.attempt) for key in (failure.key, "job=J/b.txt"))
    for path in (own, foreign):
        memory_bucket.create(path, failure.to_bytes())
    memory_bucket.create("failures/job=J/c.txt/00000000.json", b" " * (MAX_MANIFEST_BYTES + 1))

    told = {path: read_failure(memory_bucket, path) for path in memory_bucket.keys("failures/")}

    assert [path for path, failure in told.items() if failure is not None] == [own]
