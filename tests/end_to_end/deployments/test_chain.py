"""The example Chain: two Chainlets in real Truss servers, a real bucket, the companion."""

import base64
import contextlib
import json
import os
import shlex
import signal

import httpx
import pytest
from baseten.client import InferenceClient
from baseten.client.inferenceapi import AsyncRunRemoteInput
from typer.testing import CliRunner

from local_baseten.running import running_locally
from outbox_client.commands.app import app
from tests.canaries import seed
from tests.documentation.pages import block
from tests.end_to_end.asking import final_status, metric
from tests.tiny_truss import PROJECT
from tests.waiting import until
from truss_outbox.contract.manifest import Failure

CHAIN = PROJECT / "scripts" / "examples" / "chain" / "count_document.py"
API_KEY, WORD, VALUE = (seed(f"a Chain's {what}") for what in ("key", "document", "wrong value"))
ENCODED = base64.b64encode(WORD.encode()).decode()


@pytest.fixture(scope="module")
def chain(tmp_path_factory, model_environment):
    with running_locally(
        CHAIN,
        state_directory=tmp_path_factory.mktemp("chain"),
        api_key=API_KEY,
        concurrency_target=4,
        environment=model_environment,
    ) as running:
        yield running


@pytest.fixture
def api(chain):
    headers = {"Authorization": f"Api-Key {API_KEY}"}
    with httpx.Client(base_url=chain.base_url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def submit(api, job):
    def submit(item, text, **fields):
        document = {"base64": text, **fields}
        arguments = {"metadata": {"job": job, "item": item}, "document": document}
        answer = api.post("/production/async_run_remote", json={"model_input": arguments})
        assert answer.status_code == 201, answer.text
        return answer.json()["request_id"]

    return submit


@pytest.fixture
def outbox(chain, seaweedfs, model_environment, bucket, tmp_path):
    """A command of the companion, told of the Chain by the stand-in alone."""

    def outbox(*arguments):
        environment = {
            **seaweedfs.environment,
            **chain.environment,
            "OUTBOX_ROOT": model_environment["OUTBOX_ROOT"],
            "OUTBOX_HOME": str(tmp_path / "home"),
        }
        result = CliRunner().invoke(app, list(map(str, arguments)), env=environment)
        assert result.exit_code == 0, result.output
        return result.stdout

    return outbox


@pytest.fixture
def documents(tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "one.txt").write_text("to be or not to be")
    (folder / "two.txt").write_text(WORD)
    return folder


def handled(chain, request_id):
    """How many Chainlets have answered it, by the log."""
    bare = request_id.partition(":")[0]
    lines = chain.log.read_text().splitlines()
    return sum(bare in line and (" answered " in line or " done " in line) for line in lines)


def test_documents_go_through_both_chainlets_and_come_back(outbox, documents, job, tmp_path):
    outbox("run", documents, "--job", job, "--to", tmp_path / "out")
    counts = json.loads((tmp_path / "out" / "one.txt" / "counts.json").read_text())
    assert counts == {"to": 2, "be": 2, "or": 1, "not": 1}
    manifest = json.loads((tmp_path / "out" / "two.txt" / "manifest.json").read_text())
    assert manifest["result"] == {"words": 1}
    assert manifest["model"]["name"] == "outbox-chain"


def test_the_companion_is_called_as_the_examples_page_says(
    outbox, documents, tmp_path, monkeypatch
):
    documents.rename(tmp_path / "notes")
    monkeypatch.chdir(tmp_path)
    _, *arguments = shlex.split(block("sh", "outbox run notes/"))

    outbox(*arguments)

    assert (tmp_path / "results" / "one.txt" / "counts.json").is_file()


def test_the_same_request_again_runs_neither_chainlet(chain, submit, api, bucket, job):
    assert final_status(api, submit("a", ENCODED))["status"] == "SUCCEEDED"
    (manifest,) = bucket.manifests(job)
    skipped = metric(chain, "outbox_inferences_skipped_total")
    again = submit("a", ENCODED)
    assert final_status(api, again)["status"] == "SUCCEEDED"
    assert bucket.manifests(job) == [manifest]
    assert metric(chain, "outbox_inferences_skipped_total") == skipped + 1
    assert until(lambda: handled(chain, again), "the log") == 1


def test_the_same_request_many_times_at_once_ends_in_one_result(submit, api, bucket, job):
    for request_id in [submit("a", ENCODED) for _ in range(6)]:
        assert final_status(api, request_id)["status"] == "SUCCEEDED"
    (manifest,) = bucket.manifests(job)
    attempts = {key.split("/")[3] for key in bucket.keys(f"artifacts/job={job}/")}
    assert attempts == {manifest.attempt}
    assert bucket.damage(job) == []


def test_both_chainlets_know_the_request_by_one_id(chain, submit, api, bucket, job):
    request_id = submit("a", ENCODED)
    status = final_status(api, request_id)
    assert status["chain_id"] == "local"
    assert "model_id" not in status
    until(lambda: handled(chain, request_id) == 2, "both Chainlets' log lines")
    (manifest,) = bucket.manifests(job)
    assert manifest.request_id == status["request_id"] == request_id.partition(":")[0]


def test_a_chainlet_that_is_killed_comes_back_and_the_request_ends_well(
    chain, submit, api, bucket, job
):
    _, counting = chain.processes().servers
    os.kill(counting.pid, signal.SIGKILL)
    assert final_status(api, submit("a", ENCODED))["status"] == "SUCCEEDED"
    assert len(bucket.manifests(job)) == 1
    assert bucket.damage(job) == []


def test_bad_input_is_recorded_and_not_tried_again(submit, api, bucket, job):
    status = final_status(api, submit("a", ENCODED, colour=VALUE))
    assert status["status"] == "FAILED"
    (error,) = status["errors"]
    assert error["code"] == "MODEL_INVALID_INPUT"
    assert "document: has an unknown field" in error["message"]
    assert VALUE not in error["message"]
    (key,) = bucket.keys(f"failures/job={job}/")
    assert Failure.from_bytes(bucket.get(key)).code == "INVALID_INPUT"
    assert bucket.manifests(job) == []


def test_a_document_that_is_no_text_is_bad_input_too(submit, api):
    (error,) = final_status(api, submit("a", "/////w=="))["errors"]
    assert error["code"] == "MODEL_INVALID_INPUT"
    assert "must be a text in UTF-8" in error["message"]


def test_the_official_sdk_sends_bare_arguments(chain, api, bucket, job):
    arguments = {"metadata": {"job": job, "item": "a"}, "document": {"base64": ENCODED}}
    with contextlib.closing(
        InferenceClient(api_key=API_KEY, base_url_override=chain.base_url)
    ) as client:
        request = AsyncRunRemoteInput(arguments)
        answer = client.api.async_run_remote_production(request=request)
        assert client.api.get_async_queue_status_production().num_queued_requests <= 1
    assert final_status(api, answer.request_id)["status"] == "SUCCEEDED"
    assert [manifest.item for manifest in bucket.manifests(job)] == ["a"]


def test_a_chainlet_is_called_with_the_key_alone(chain):
    url = f"{chain.base_url}/chainlets/CountWords/run_remote"
    arguments = {"text": "two words"}
    assert httpx.post(url, json=arguments).status_code == 401
    headers = {"Authorization": f"Api-Key {API_KEY}"}
    assert httpx.post(url, json=arguments, headers=headers).json() == {"two": 1, "words": 1}


def test_only_the_chainlet_that_stores_carries_what_storing_needs(chain):
    trusses = chain.state_directory / "truss"
    assert (trusses / "CountDocument" / "packages" / "truss_outbox").is_dir()
    assert not (trusses / "CountWords" / "packages" / "truss_outbox").exists()
