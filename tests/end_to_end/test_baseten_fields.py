"""What Baseten takes beside the input, by the companion's options, against the stand-in."""

import json
import time

import pytest
from typer.testing import CliRunner

from baseten_webhooks import verify
from local_baseten.state_directory import StateDirectory
from local_baseten.webhooks.secret_file import WebhookSecrets
from outbox_client.commands.app import app
from tests.baseten_webhooks.scripted_receiver import receiving
from tests.canaries import seed
from tests.end_to_end.conftest import PREFIX
from tests.waiting import until


@pytest.fixture
def outbox(local, seaweedfs, tmp_path, monkeypatch):
    """Runs a command where no config.yaml is."""
    monkeypatch.chdir(tmp_path)
    environment = {
        **seaweedfs.environment,
        "OUTBOX_BASE_URL": local.base_url,
        "OUTBOX_ROOT": f"s3://outbox/{PREFIX}",
        "OUTBOX_HOME": str(tmp_path / "home"),
        "BASETEN_API_KEY": local.api_key,
    }

    def outbox(*arguments):
        result = CliRunner().invoke(app, [*map(str, arguments)], env=environment)
        assert result.exit_code == 0, result.output
        return result.stdout

    return outbox


def test_the_webhook_that_is_asked_for_is_delivered_and_verifies(outbox, local, job, tmp_path):
    secret = seed("a webhook secret", WebhookSecrets(secrets_of(local)).add().secret)
    (tmp_path / "rows.jsonl").write_text(json.dumps({"item": "a", "text": "two words"}))
    with receiving("200") as receiver:
        outbox("run", "rows.jsonl", "--job", job, "--to", "out", "--webhook", receiver.url())
        until(lambda: receiver.received, "the receiver has the event")
    [received] = receiver.received
    event = verify(received.headers, received.body, secrets=[secret], now=time.time())
    manifest = json.loads((tmp_path / "out" / "a" / "manifest.json").read_text())
    assert event.request_id == manifest["request_id"]
    assert (tmp_path / "out" / "a" / "words.txt").read_text() == "two\nwords"


def secrets_of(local):
    return StateDirectory(local.log.parent).webhook_secrets


@pytest.mark.parametrize("where", [("--deployment", "abc123"), ("--environment", "staging")])
def test_a_deployment_is_called_and_woken_by_the_path_it_has_at_the_service(
    outbox, job, tmp_path, where
):
    (tmp_path / "rows.jsonl").write_text(json.dumps({"item": "a", "text": "two words"}))
    outbox("wake", *where)
    outbox("run", "rows.jsonl", "--job", job, "--to", "out", *where)
    assert (tmp_path / "out" / "a" / "words.txt").read_text() == "two\nwords"
