"""Trusses that `outbox add` and `outbox new` made, run by the real Truss server."""

import json

import httpx
import pytest
from truss.truss_handle.build import init_directory
from typer.testing import CliRunner

from local_baseten.running import running_locally
from outbox_client.commands.app import app
from tests.waiting import until

MODEL = """\
class Model:
    def predict(self, model_input):
        return {"words": len(model_input["text"].split()), "fields": sorted(model_input)}
"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory, model_environment):
    def serving(truss):
        return running_locally(
            truss,
            state_directory=tmp_path_factory.mktemp("state"),
            environment=model_environment,
        )

    return serving


@pytest.fixture
def api():
    def api(running):
        headers = {"Authorization": f"Api-Key {running.api_key}"}
        return httpx.Client(base_url=running.base_url, headers=headers, timeout=60)

    return api


def outbox(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_two_lines_and_add_make_a_plain_truss_store(tmp_path, serving, api, bucket, job):
    truss = init_directory(tmp_path / "plain", model_name="plain")
    source = truss / "model" / "model.py"
    source.write_text(MODEL)

    said = json.loads(outbox("add", truss, "--root", "s3://your-bucket/outbox", "--json"))
    lines = MODEL.splitlines()
    for line in said["model"]["lines"]:
        lines.insert(line["number"] - 1, line["text"])
    source.write_text("\n".join(lines))

    assert len(lines) == len(MODEL.splitlines()) + 2
    with serving(truss) as running, api(running) as client:
        plain = client.post("/production/predict", json={"text": "one two"})
        assert plain.json() == {"words": 2, "fields": ["text"]}
        stored = {"text": "one two three", "metadata": {"job": job, "item": "a"}}
        client.post("/production/async_predict", json={"model_input": stored}).raise_for_status()
        until(lambda: bucket.keys(f"manifests/job={job}/"), "the manifest")
    (manifest,) = bucket.manifests(job)
    assert manifest.result == {"words": 3, "fields": ["text"]}


@pytest.mark.slow
def test_a_new_truss_stores_its_file(tmp_path, serving, api, bucket, job):
    outbox("new", tmp_path / "words")

    with serving(tmp_path / "words") as running, api(running) as client:
        plain = client.post("/production/predict", json={"text": "the word, and a word"})
        assert plain.json() == {"words": 3}
        stored = {"text": "a word", "metadata": {"job": job, "item": "a"}}
        client.post("/production/async_predict", json={"model_input": stored}).raise_for_status()
        until(lambda: bucket.keys(f"manifests/job={job}/"), "the manifest")
    (manifest,) = bucket.manifests(job)
    assert manifest.result == {"words": 1}
    assert [artifact.name for artifact in manifest.artifacts] == ["words.tsv"]
