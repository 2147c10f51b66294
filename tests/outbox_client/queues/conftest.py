"""The queues: moto's SQS, Google's emulator of Pub/Sub, and a stand-in for that."""

import pytest

from tests.outbox_client.queues.fake_pubsub import running_fake_pubsub
from tests.outbox_client.queues.rigs import pubsub_rig, running_emulator, sqs_rig


@pytest.fixture(scope="session")
def fake_pubsub():
    with running_fake_pubsub() as host:
        yield host


@pytest.fixture(scope="session")
def pubsub_emulator(tmp_path_factory):
    with running_emulator(tmp_path_factory.mktemp("pubsub")) as host:
        yield host


@pytest.fixture
def sqs(moto_options, monkeypatch):
    with sqs_rig(moto_options.endpoint_url, monkeypatch) as rig:
        yield rig


@pytest.fixture(params=["sqs", "pubsub", pytest.param("emulator", marks=pytest.mark.slow)])
def rig(request, monkeypatch):
    """Each queue in turn."""
    if request.param == "sqs":
        yield request.getfixturevalue("sqs")
        return
    fixture = "fake_pubsub" if request.param == "pubsub" else "pubsub_emulator"
    with pubsub_rig(request.getfixturevalue(fixture), monkeypatch) as rig:
        yield rig
