"""A result of so many artifacts that its manifest names the object that lists them."""

import asyncio
import json
import urllib.request

import pytest

from outbox_client.bucket.records import artifacts_of, read_manifest, verified_lines
from outbox_client.upkeep.sweep import sweep_attempts
from tests.asking_outbox import settings
from tests.outbox_client.results import files_below
from truss_outbox import Outbox, Outputs
from truss_outbox.contract.errors import CorruptArtifactError, ManifestError, NotFoundError
from truss_outbox.contract.keys import artifact_key
from truss_outbox.contract.listing import LISTING_NAME, MAX_LINE_BYTES
from truss_outbox.contract.manifest import Artifact
from truss_outbox.stores.streams import FileDigest

FEW = 1_001  # just too many for a manifest
MANY = pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])


@pytest.fixture
def stored(service, job):
    """Stores a result of so many files as a model does; returns the answer to its caller."""
    outbox = Outbox(settings=settings(), bucket=service.store)

    def run(_, directory):
        (directory / "files").mkdir()
        files = {}
        for number in range(count):
            path = directory / "files" / f"{number}"
            path.write_text(f"{number}")
            files[f"{number // 1000:03}/a-piece-of-the-whole-{number:06}.txt"] = path
        return Outputs(result={"pieces": count}, files=files)

    async def ask():
        model_input = {"metadata": {"job": job, "item": "many"}}
        return await outbox.finish(await outbox.store(outbox.begin(model_input), run))

    count = 0

    def stored(number_of_files=FEW):
        nonlocal count
        count = number_of_files
        return asyncio.run(ask())

    return stored


@pytest.fixture
def listing_key(stored, bucket, job):
    stored()
    manifest, _ = read_manifest(bucket, f"manifests/job={job}/many.json")
    return artifact_key(manifest.key, manifest.attempt, LISTING_NAME)


@pytest.mark.parametrize("count", [FEW, MANY])
def test_every_command_takes_it_as_any_other(
    count, stored, bucket, job, outbox, sweep_time, tmp_path
):
    answer = stored(count)
    assert answer["artifact_listing"]["artifact_count"] == count
    assert len(json.dumps(answer)) < 2_000  # the caller is told where they are
    manifest, data = read_manifest(bucket, f"manifests/job={job}/many.json")
    assert len(data) < 4_000
    assert sum(1 for _ in artifacts_of(bucket, manifest)) == count

    fetched = outbox("fetch", job, "--to", tmp_path / "out")
    assert f"1 result(s) in {tmp_path}/out; {count} file(s) came anew" in fetched.stdout
    files = files_below(tmp_path / "out" / "many")
    assert files.pop("manifest.json") == data
    assert files == {
        f"{number // 1000:03}/a-piece-of-the-whole-{number:06}.txt": b"%d" % number
        for number in range(count)
    }
    assert "0 file(s) came anew" in outbox("fetch", job, "--to", tmp_path / "out").stdout
    assert "1 result(s) indexed" in outbox("index", job).stdout
    reported = outbox("report", job, "--to", tmp_path / "report.html")
    assert f"1 result(s), {count:,} file(s)" in reported.stdout
    links = json.loads(outbox("presign", job, "--json").stdout)["links"]
    assert len(links) == count
    assert (
        links[count - 1]["name"]
        == f"{(count - 1) // 1000:03}/a-piece-of-the-whole-{count - 1:06}.txt"
    )
    with urllib.request.urlopen(links[7]["url"]) as opened:
        assert opened.read() == b"7"
    assert list(sweep_attempts(bucket, before=sweep_time, delete=True)) == []


def test_a_listing_that_is_not_what_the_manifest_promises_is_refused_whole(
    listing_key, bucket, job, outbox, tmp_path
):
    data = bucket.get(listing_key)
    manifest, _ = read_manifest(bucket, f"manifests/job={job}/many.json")
    for wrong in (data.replace(b"piece-of", b"piece-by", 1), data[:-1], b""):
        bucket.put(listing_key, wrong)
        with pytest.raises(CorruptArtifactError):
            next(artifacts_of(bucket, manifest))
    fetched = outbox("fetch", job, "--to", tmp_path / "out")
    assert fetched.exit_code == 1
    assert "artifacts~.jsonl" in fetched.stdout
    assert files_below(tmp_path / "out") == {}
    reported = outbox("report", job, "--to", tmp_path / "report.html")
    assert "1 result(s), 1,001 file(s)" in reported.stdout
    assert f"manifests/job={job}/many.json: artifact 'artifacts~.jsonl'" in reported.stderr
    bucket.delete(listing_key)
    with pytest.raises(NotFoundError):
        next(artifacts_of(bucket, manifest))


def test_a_line_without_end_is_not_read_into_memory(memory_bucket):
    data = b"short\n" + b"x" * MAX_LINE_BYTES
    memory_bucket.create("lines", data)
    digest = FileDigest.of(data)
    promised = Artifact(
        name="lines", uri="", size=digest.size, content_type="", sha256=digest.sha256
    )
    lines = verified_lines(memory_bucket, "lines", promised)
    assert next(lines) == b"short\n"
    with pytest.raises(ManifestError, match="a line of 1,048,576 bytes or more"):
        next(lines)


def test_50_megabytes_of_json_are_stored_and_fetched(service, job, outbox, tmp_path):
    result = {"pages": [{"page": number, "text": f"{number} " * 100_000} for number in range(256)]}
    encoded = json.dumps(result, separators=(",", ":")).encode()
    assert len(encoded) > 50_000_000

    async def ask():
        model = Outbox(settings=settings(), bucket=service.store)
        work = model.begin({"metadata": {"job": job, "item": "large"}})
        return await model.finish(await model.store(work, lambda _, __: result))

    assert asyncio.run(ask())["result"] == {"artifact": "result.json"}
    assert outbox("fetch", job, "--to", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "large" / "result.json").read_bytes() == encoded
