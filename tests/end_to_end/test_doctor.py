"""`outbox doctor --send` against the stand-in: right without faults, and each fault is named."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from local_baseten.running import LocalBaseten, running_locally
from outbox_client.commands.app import app
from tests.end_to_end.conftest import PREFIX
from tests.end_to_end.reading import Bucket
from tests.local_baseten.conftest import TRUSSES

CANARY_CHECKS = [
    *("async canary", "request id", "retry canary", "retry id"),
    *("sync canary", "model told", "clean up"),
]


@pytest.fixture
def doctor(seaweedfs, tmp_path, monkeypatch):
    """What `--send --json` prints about a stand-in; it is run where no config.yaml is."""
    monkeypatch.chdir(tmp_path)

    def doctor(local: LocalBaseten, *options: str) -> dict[str, Any]:
        environment = {
            **seaweedfs.environment,
            "OUTBOX_BASE_URL": local.base_url,
            "OUTBOX_ROOT": f"s3://outbox/{PREFIX}",
            "BASETEN_API_KEY": local.api_key,
        }
        result = CliRunner().invoke(app, ["doctor", "--send", "--json", *options], env=environment)
        for secret in (local.api_key, seaweedfs.access_key_id, seaweedfs.secret_access_key):
            assert secret not in result.output
        document = json.loads(result.stdout)
        found = {check["finding"] for check in document["checks"]}
        assert result.exit_code == ("wrong" in found)
        return document

    return doctor


def findings(document: dict[str, Any]) -> dict[str, str]:
    """Of the checks by canaries: others' results lie in the bucket, too."""
    found = {check["name"]: check["finding"] for check in document["checks"]}
    return {name: found[name] for name in CANARY_CHECKS}


def said(document: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["said"] for check in document["checks"]}


def left_of(document: dict[str, Any], bucket: Bucket) -> list[str]:
    own = {canary["key"] for canary in document["sent"]["canaries"]}
    return [one for one in bucket.keys("") if any(key in one for key in own)]


def test_a_deployment_that_is_well_is_said_to_be_and_nothing_is_left(doctor, local, bucket):
    document = doctor(local)
    assert set(findings(document).values()) == {"ok"}, document
    assert "SUCCEEDED" in said(document)["async canary"]
    assert "truss 0." in said(document)["model told"]
    assert document["sent"]["service"] == document["sent"]["bucket_host"] == "127.0.0.1"
    for canary in document["sent"]["canaries"]:
        assert 0 <= canary["committed_seconds"] < 60
    assert left_of(document, bucket) == []


def test_another_root_than_the_models_is_named(doctor, local):
    document = doctor(local, "--root", "s3://outbox/elsewhere")
    assert findings(document)["sync canary"] == "wrong"
    assert f"the model's root is s3://outbox/{PREFIX}" in said(document)["sync canary"]


@pytest.mark.slow
def test_lost_answers_and_a_new_id_on_every_retry_are_named(
    doctor, tiny_truss, model_environment, bucket, tmp_path
):
    with running_locally(
        tiny_truss,
        state_directory=tmp_path / "state",
        environment=model_environment,
        faults={"lost_answer": 1.0, "new_id_on_retry": 1.0},
    ) as local:
        document = doctor(local)
    named = {name for name, finding in findings(document).items() if finding == "wrong"}
    assert named == {"async canary", "retry canary", "retry id"}
    assert "the answer to the submit is lost" in said(document)["async canary"]
    assert "a new id on every retry" in said(document)["retry id"]
    assert left_of(document, bucket) == []


def test_a_model_that_never_stores_is_named(doctor, tmp_path):
    with running_locally(TRUSSES / "echo", state_directory=tmp_path / "state") as local:
        document = doctor(local)
    named = {name for name, finding in findings(document).items() if finding == "wrong"}
    assert named == {"async canary", "retry canary", "sync canary"}
    assert "succeeded, and no manifest came" in said(document)["async canary"]
    assert "@stored" in said(document)["sync canary"]
