"""What goes wrong with a queue is told by what mends it."""

import contextlib
import json
import sys

import pytest

from outbox_client.queues.protocol import open_queue
from tests.outbox_client.queues.rigs import PROJECT
from tests.web_pages import web_pages
from truss_outbox.contract.errors import (
    AccessDeniedError,
    ConfigurationError,
    StoreError,
    StoreUnavailableError,
)


@contextlib.contextmanager
def answering(status, code):
    """An SQS that has one answer."""
    said = {"__type": f"com.amazonaws.sqs#{code}", "message": "secret words"}
    with web_pages() as pages:
        pages.status, pages.content_type = status, "application/x-amz-json-1.0"
        pages.body = json.dumps(said).encode()
        yield pages.url


@pytest.fixture
def aws(monkeypatch, tmp_path):
    """An environment with nothing but a region and keys."""

    def aws(**variables):
        known = {
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s",
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        for name, value in (known | variables).items():
            monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)

    return aws


def opened(address):
    with open_queue(address) as queue:
        return queue.receive(wait_seconds=0)


@pytest.mark.parametrize(
    ("status", "code", "error", "said"),
    [
        (403, "AccessDeniedException", AccessDeniedError, "sqs:ReceiveMessage.*--for follower"),
        (503, "ServiceUnavailable", StoreUnavailableError, "503"),
        (400, "ThrottlingException", StoreUnavailableError, "Throttling"),
        (400, "InvalidAddress", StoreError, "GetQueueUrl was refused: InvalidAddress"),
    ],
)
def test_what_sqs_answers_is_told_with_the_remedy(aws, status, code, error, said):
    with answering(status, code) as url:
        aws(AWS_ENDPOINT_URL_SQS=url)
        with pytest.raises(error, match=said) as raised:
            opened("sqs://q")
    assert "secret words" not in str(raised.value)


def test_an_sqs_that_does_not_answer_names_the_variable(aws):
    aws(AWS_ENDPOINT_URL_SQS="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailableError, match="AWS_ENDPOINT_URL_SQS"):
        opened("sqs://q")


def test_a_region_and_credentials_that_are_missing_are_asked_for(aws):
    aws(AWS_DEFAULT_REGION="", AWS_REGION="")
    with pytest.raises(ConfigurationError, match=r"sqs://name\?region="):
        opened("sqs://q")
    aws(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    with pytest.raises(ConfigurationError, match="AWS credentials"):
        opened("sqs://q")


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("forbidden", AccessDeniedError, r"roles/pubsub\.subscriber"),
        ("away", StoreUnavailableError, "ServiceUnavailable"),
        ("invalid", StoreError, "InvalidArgument"),
    ],
)
def test_what_pubsub_answers_is_told_with_the_remedy(fake_pubsub, monkeypatch, name, error, said):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", fake_pubsub)
    with pytest.raises(error, match=said):
        opened(f"pubsub://{PROJECT}/{name}")


def test_google_credentials_that_are_missing_are_asked_for(monkeypatch, tmp_path):
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(ConfigurationError, match="application-default login"):
        opened(f"pubsub://{PROJECT}/subscription")


@pytest.mark.parametrize(
    ("address", "package", "extra"),
    [
        ("sqs://q", "botocore.config", "s3"),
        ("pubsub://project/name", "google.cloud.pubsub_v1", "pubsub"),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_its_extra(
    monkeypatch, address, package, extra
):
    scheme = address.partition(":")[0]
    monkeypatch.delitem(sys.modules, f"outbox_client.queues.{scheme}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError, match=rf"pip install 'truss-outbox\[client,{extra}\]'"):
        opened(address)
