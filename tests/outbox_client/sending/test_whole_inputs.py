"""Requests above the service's limit: their files go into the bucket, then all of their input."""

import hashlib
import json
import random
from pathlib import Path

import pytest

from outbox_client import Batch, Item, State, submit, wait
from outbox_client.sending import body as sending
from outbox_client.sending.body import make_body
from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.fingerprint import fingerprint, input_digest
from truss_outbox.contract.manifest import Manifest

LARGE = {"text": "ü" * 140_000, "numbers": [1, 2.5, 1e300, None], "deep": {"b": 1, "a": "😀"}}


def test_an_input_over_the_limit_goes_as_one_object_with_the_digest_of_its_inline_form(
    memory_bucket, monkeypatch
):
    item = Item(name="x", inputs=LARGE, labels={"team": "red"})
    body = make_body(Batch(job="J", priority=1), item, memory_bucket)
    key = f"inputs/{input_digest(LARGE)}"
    assert body.content == {
        "model_input": {
            "metadata": {"job": "J", "item": "x", "labels": {"team": "red"}, "model_input": key}
        },
        "priority": 1,
    }
    stored = memory_bucket.get(key)
    assert key == f"inputs/{hashlib.sha256(stored).hexdigest()}"
    assert json.loads(stored) == LARGE

    monkeypatch.setattr(sending, "_MAX_INPUT_BYTES", 1 << 20)
    inline = make_body(Batch(job="J"), item, memory_bucket)
    assert inline.content["model_input"]["text"] == LARGE["text"]
    assert inline.digest == body.digest == input_digest(json.loads(stored))


@pytest.mark.parametrize("metadata_field", ["metadata", "outbox"])
def test_an_input_at_the_limit_is_inside_and_one_byte_more_is_not(memory_bucket, metadata_field):
    labels = {"fill": "y" * 15_000}
    for size, is_inside in ((245_760, True), (245_761, False)):
        text = "x" * (size - len('{"text":""}'))
        item = Item(name="x", inputs={"text": text}, labels=labels)
        body = make_body(Batch(job="J"), item, memory_bucket, metadata_field=metadata_field)
        assert ("text" in body.content["model_input"]) is is_inside
        assert ("model_input" in body.content["model_input"][metadata_field]) is not is_inside
        assert len(json.dumps(body.content, separators=(",", ":"))) <= 262_144


def test_the_largest_files_leave_the_body_first_whatever_the_order_of_the_fields(
    memory_bucket, tmp_path
):
    sizes = {"a": 100_000, "b": 60_000, "c": 70_000, "d": 10, "e": 300_000}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(name.encode() * size)
    names, digests = list(sizes), set()
    for seed in range(4):
        random.Random(seed).shuffle(names)
        inputs = {name: {"path": str(tmp_path / name)} for name in names}
        body = make_body(Batch(job="J"), Item(name="x", inputs=inputs), memory_bucket)
        digests.add(body.digest)
        assert body.file_bytes == sum(sizes.values())
        files = {name: file for name, file in body.content["model_input"].items() if name in sizes}
        assert {name: next(iter(file)) for name, file in files.items()} == {
            "a": "input",
            "b": "base64",
            "c": "base64",
            "d": "base64",
            "e": "input",
        }
    assert len(digests) == 1


def test_two_files_whose_fields_read_alike_are_kept_apart(memory_bucket, tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).write_text(name)
    one, other = ({"path": str(tmp_path / name)} for name in ("one", "other"))
    item = Item(name="x", inputs={"a.b": one, "a": {"b": other}})
    sent = make_body(Batch(job="J"), item, memory_bucket).content["model_input"]
    assert (sent["a.b"], sent["a"]["b"]) == ({"base64": "b25l"}, {"base64": "b3RoZXI="})


def test_files_go_first_and_then_the_whole(memory_bucket, tmp_path):
    (tmp_path / "page").write_bytes(b"x")
    (tmp_path / "large").write_bytes(b"y" * 1_000)
    pages = [{"path": str(tmp_path / "page")}] * 2 + [{"path": str(tmp_path / "large")}] * 3_000
    item = Item(name="x", inputs={"pages": pages})
    metadata = make_body(Batch(job="J"), item, memory_bucket).content["model_input"]["metadata"]
    whole = json.loads(memory_bucket.get(metadata["model_input"]))
    keys = {file["input"] for file in whole["pages"]}
    assert len(keys) == 2
    assert {len(memory_bucket.get(key)) for key in keys} == {1, 1_000}


def test_a_job_of_large_inputs_is_followed_and_repeated_like_any_other(
    deployment, journal, service, bucket, time
):
    items = [Item.of_inputs({**LARGE, "n": n}, f"{n}") for n in range(3)]
    for _ in range(2):
        submit(items, Batch(job=journal.job), deployment=deployment, journal=journal)
        entries = list(wait(journal, deployment=deployment, timeout_seconds=60, clock=time.clock))
        assert {entry.state for entry in entries} == {State.SUCCEEDED}
    assert service.inferences == 3
    manifests = [Manifest.from_bytes(bucket.get(key)) for key in bucket.keys("manifests/")]
    assert {manifest.fingerprint for manifest in manifests} == {
        fingerprint(entry.digest, model_version="1") for entry in entries
    }
    changed = [Item.of_inputs({**LARGE, "n": 7}, "0")]
    submit(changed, Batch(job=journal.job), deployment=deployment, journal=journal)
    entries = wait(journal, deployment=deployment, timeout_seconds=60, clock=time.clock)
    assert [(entry.item, entry.code) for entry in entries if entry.code] == [("0", "KEY_CONFLICT")]


def test_a_large_row_of_a_table_is_sent(outbox, job, service, tmp_path):
    (tmp_path / "a.png").write_bytes(b"alpha")
    row = {"item": "x", **LARGE, "image": {"path": "a.png"}}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    result = outbox("run", tmp_path / "rows.jsonl", "--job", job, "--to", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "x" / "copy.bin").read_bytes() == b"alpha"
    (body,) = service.bodies.values()
    assert body["model_input"].keys() == {"metadata"}


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs a file that grows")
def test_a_file_that_grows_before_it_is_read_is_its_requests_error(memory_bucket):
    # The kernel makes it when it is read; until then it is empty.
    item = Item(name="x", inputs={"log": {"path": "/proc/self/status"}})
    with pytest.raises(InvalidInputError, match="/proc/self/status changed while it was read"):
        make_body(Batch(job="J"), item, memory_bucket)
