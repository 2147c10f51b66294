"""What messages say of objects, in each form that a bucket's events come in."""

import json

import pytest

from outbox_client.queues.address import QueueAddress
from outbox_client.queues.notices import Written, written
from outbox_client.queues.protocol import Message
from tests.outbox_client.queues.rigs import s3_notice
from truss_outbox.contract.errors import ConfigurationError

NAME = "p/manifests/job=a b/50% of ü+.json"
HERE = [Written(bucket="b", name=NAME)]


def said(document, **attributes):
    body = document if isinstance(document, str) else json.dumps(document)
    return written(Message(body=body, receipt="r", attributes=attributes))


def event_bridge(kind="Object Created"):
    detail = {"bucket": {"name": "b"}, "object": {"key": NAME, "size": 1}, "reason": "PutObject"}
    return {"version": "0", "source": "aws.s3", "detail-type": kind, "detail": detail}


@pytest.mark.parametrize(
    "document",
    [
        s3_notice("b", NAME),
        s3_notice("b", NAME, "s3:ObjectCreated:CompleteMultipartUpload"),
        {"Type": "Notification", "Message": json.dumps(s3_notice("b", NAME))},
        event_bridge(),
    ],
    ids=["S3", "S3, in parts", "SNS", "EventBridge"],
)
def test_an_object_that_was_written_is_found_by_its_own_name(document):
    assert said(document) == HERE


def test_gcs_tells_it_in_attributes_whatever_the_payload():
    told = {"bucketId": "b", "objectId": NAME, "eventType": "OBJECT_FINALIZE"}
    assert said("", **told) == HERE
    assert said("{}", **told | {"eventType": "OBJECT_DELETE"}) == []


@pytest.mark.parametrize(
    "document",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"},
        s3_notice("b", NAME, "ObjectRemoved:Delete"),
        event_bridge("Object Deleted"),
    ],
    ids=["S3 tries the queue", "a deletion", "a deletion by EventBridge"],
)
def test_other_notices_tell_of_nothing_that_was_written(document):
    assert said(document) == []


@pytest.mark.parametrize(
    "document",
    [
        *("", "text", "[]", "3", "null", "{}", '{"Records": [{}]}', '{"Records": 3}'),
        {"Type": "Notification", "Message": "text"},
        {"source": "aws.s3", "detail-type": "Object Created"},
        s3_notice("b", "x") | {"Records": [{"eventName": "ObjectCreated:Put", "s3": None}]},
    ],
)
def test_what_is_no_notice_is_told_from_them(document):
    assert said(document) is None


@pytest.mark.parametrize(
    "text",
    [
        "sqs://outbox-events",
        "sqs://123456789012/outbox-events",
        "sqs://123456789012/events.fifo?region=eu-central-1",
        "pubsub://my-project/outbox-events",
        "pubsub://example.com:my-project/outbox-events",
    ],
)
def test_an_address_is_written_as_it_is_read(text):
    assert str(QueueAddress.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "outbox-events", "sqs://", "sqs://a/b", "sqs://1234/name", "sqs://a b"),
        *("https://sqs.eu-central-1.amazonaws.com/123456789012/q", "sqs://q?region=", "sqs://q\n"),
        *("pubsub://subscription", "pubsub://my-project/", "kafka://broker/topic"),
    ],
)
def test_what_is_no_queues_address_is_refused_with_the_forms(text):
    with pytest.raises(ConfigurationError, match=r"queue: must be sqs://.*pubsub://project"):
        QueueAddress.parse(text)
