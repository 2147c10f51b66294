"""A webhook through the whole stand-in, killed while it delivers."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from baseten_webhooks import verify
from local_baseten.running import running_locally
from local_baseten.state_directory import StateDirectory
from local_baseten.webhooks.secret_file import WebhookSecrets
from tests.baseten_webhooks.scripted_receiver import receiving
from tests.canaries import seed
from tests.local_baseten.caller import calling
from tests.local_baseten.conftest import TRUSSES
from tests.waiting import until


@pytest.mark.slow
def test_kill_9_in_mid_delivery_costs_nothing(tmp_path: Path):
    state, record = tmp_path / "state", tmp_path / "record"
    secrets = WebhookSecrets(StateDirectory(state).webhook_secrets)

    def running():
        # Without a repetition: being killed must not use up the one attempt.
        return running_locally(
            TRUSSES / "obedient", state_directory=state, webhook_delays_seconds=()
        )

    with receiving("stall", "200") as receiver:
        hook = {"webhook_endpoint": receiver.url()}
        with running() as local, calling(local, record) as caller:
            secret = seed("a webhook secret", secrets.add().secret)
            request_id = caller.submit("a", options=hook)
            until(lambda: receiver.received, "the receiver has the event")
            status = caller.status(request_id)
            assert (status["status"], status["webhook_status"]) == ("SUCCEEDED", "PENDING")

            os.kill(local.processes().stand_in, signal.SIGKILL)

        with running() as local, calling(local, record) as caller:

            def delivered() -> bool:
                return caller.status(request_id)["webhook_status"] == "SUCCEEDED"

            until(delivered, "the event is delivered after all")
            assert len(caller.attempts(request_id)) == 1

    first, second = receiver.received
    event = verify(second.headers, second.body, secrets=[secret], now=time.time())
    assert event.request_id == request_id == json.loads(first.body)["request_id"]
    assert event.data["model_input"]["name"] == "a"
    assert "secret-token" not in local.log.read_text()
