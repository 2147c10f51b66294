"""Queues that tests run on, each with its own way to tell of an object that was written."""

import contextlib
import json
import os
import socket
import subprocess
import urllib.parse
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import until

EMULATOR = Path("/usr/lib/google-cloud-sdk/platform/pubsub-emulator/lib")
"""Where Google's package google-cloud-cli-pubsub-emulator puts it."""

PROJECT = "outbox-tests"


def s3_notice(bucket: str, name: str, event: str = "ObjectCreated:Put") -> dict[str, Any]:
    key = urllib.parse.quote_plus(name)
    record = {"eventName": event, "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}
    return {"Records": [record]}


@dataclass(frozen=True, kw_only=True, slots=True)
class SqsRig:
    """A queue of moto's."""

    client: Any
    url: str
    address: str
    many = 500
    """Results of a large test: in ten minutes moto does not even take 10,000 messages."""

    def tell(self, bucket: str, *names: str) -> None:
        for start in range(0, len(names), 10):
            entries = [
                {"Id": str(number), "MessageBody": json.dumps(s3_notice(bucket, name))}
                for number, name in enumerate(names[start : start + 10])
            ]
            self.client.send_message_batch(QueueUrl=self.url, Entries=entries)

    def send(self, body: str) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody=body)

    def missing(self) -> str:
        return "sqs://no-such-queue"


@dataclass(frozen=True, kw_only=True, slots=True)
class PubSubRig:
    publisher: Any
    topic: str
    address: str
    many = 5_000

    def tell(self, bucket: str, *names: str) -> None:
        for start in range(0, len(names), 500):
            some = names[start : start + 500]
            self._publish(
                (
                    json.dumps({"name": name}),
                    {"bucketId": bucket, "objectId": name, "eventType": "OBJECT_FINALIZE"},
                )
                for name in some
            )

    def send(self, body: str) -> None:
        self._publish([(body, {})])

    def _publish(self, told: Iterable[tuple[str, dict[str, str]]]) -> None:
        messages = [{"data": body.encode(), "attributes": which} for body, which in told]
        self.publisher.publish(request={"topic": self.topic, "messages": messages})

    def missing(self) -> str:
        return f"pubsub://{PROJECT}/no-such-subscription"


@contextlib.contextmanager
def sqs_rig(endpoint_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqsRig]:
    from botocore.session import Session

    # Moto takes any keys: those of the bucket, where the test has one.
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "moto") | dict(os.environ)
    region = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL_SQS": endpoint_url}
    for name, value in (keys | region).items():
        monkeypatch.setenv(name, value)
    name = f"outbox-{uuid.uuid4().hex[:8]}"
    with contextlib.closing(Session().create_client("sqs")) as client:
        url = client.create_queue(QueueName=name)["QueueUrl"]
        yield SqsRig(client=client, url=url, address=f"sqs://{name}")


@contextlib.contextmanager
def pubsub_rig(host: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PubSubRig]:
    import grpc
    from google.pubsub_v1 import PublisherClient, SubscriberClient
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    name = f"outbox-{uuid.uuid4().hex[:8]}"
    topic = f"projects/{PROJECT}/topics/{name}"
    subscription = f"projects/{PROJECT}/subscriptions/{name}"
    with grpc.insecure_channel(host) as channel:
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        publisher.create_topic(request={"name": topic})
        subscriber.create_subscription(request={"name": subscription, "topic": topic})
        yield PubSubRig(publisher=publisher, topic=topic, address=f"pubsub://{PROJECT}/{name}")


@contextlib.contextmanager
def running_emulator(directory: Path) -> Iterator[str]:
    """Google's emulator, where it is installed; its host and port."""
    jar = next(iter(EMULATOR.glob("cloud-pubsub-emulator-*.jar")), None)
    if jar is None:
        pytest.skip("Google's Pub/Sub emulator is not installed here")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (directory / "pubsub.log").open("wb") as log:
        process = subprocess.Popen(
            ["java", "-jar", str(jar), "--host=127.0.0.1", f"--port={port}"],
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "HOME": str(directory)},
        )
    try:
        until(lambda: _answers(port), "the emulator", seconds=60)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
