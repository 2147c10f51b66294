"""Trusses that `outbox add` and `outbox new` made, run by the real Truss server."""

import json

import httpx
import pytest
from truss.truss_handle.build import init_directory
from typer.testing import CliRunner

from local_baseten.running import running_locally
from outbox_client.commands.app import app
from tests.documentation.pages import block, command_lines
from tests.waiting import until


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


def test_two_lines_and_add_make_a_plain_truss_store(
    tmp_path, monkeypatch, serving, api, bucket, job
):
    monkeypatch.chdir(tmp_path)
    wanted = block("python", "def predict(self, model_input):").splitlines()
    lines = [line for line in wanted if "stored" not in line]
    source = init_directory(tmp_path / "my-truss", model_name="plain") / "model" / "model.py"
    source.write_text("\n".join(lines))

    (words,) = command_lines(block("sh", "outbox add my-truss --root s3://your-bucket/outbox\n"))
    said = json.loads(outbox(*words, "--json"))
    for line in said["model"]["lines"]:
        lines.insert(line["number"] - 1, line["text"])
    source.write_text("\n".join(lines))

    assert [line for line in lines if line] == [line for line in wanted if line]
    with serving(tmp_path / "my-truss") as running, api(running) as client:
        plain = client.post("/production/predict", json={"text": "one two"})
        assert plain.json() == {"text": "ONE TWO"}
        stored = {"text": "one two three", "metadata": {"job": job, "item": "a"}}
        client.post("/production/async_predict", json={"model_input": stored}).raise_for_status()
        until(lambda: bucket.keys(f"manifests/job={job}/"), "the manifest")
    (manifest,) = bucket.manifests(job)
    assert manifest.result == {"text": "ONE TWO THREE"}


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
