"""What a message says of objects that were written: of S3, by EventBridge or SNS too, and of GCS.

docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
cloud.google.com/storage/docs/pubsub-notifications
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from .protocol import Message

_DEPTH = 3
"""A notification may come by SNS, which puts it into another message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """An object that is there now, by its bucket and its whole name."""

    bucket: str
    name: str


def written(message: Message) -> list[Written] | None:
    """Empty for a notice of something else, as a deletion; None for what is no bucket's notice."""
    if "bucketId" in message.attributes and "objectId" in message.attributes:
        return _of_gcs(message.attributes)
    try:
        return _of_aws(json.loads(message.body), _DEPTH)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _of_gcs(attributes: Mapping[str, str]) -> list[Written]:
    if attributes.get("eventType") != "OBJECT_FINALIZE":
        return []
    return [Written(bucket=attributes["bucketId"], name=attributes["objectId"])]


def _of_aws(document: Mapping[str, Any], depth: int) -> list[Written] | None:
    """Raises what a document of another form makes of it."""
    if document.get("Event") == "s3:TestEvent":  # S3 tries a queue out when it is named
        return []
    if document.get("source") == "aws.s3":
        return _of_event_bridge(document)
    if document.get("Type") == "Notification" and depth:
        return _of_aws(json.loads(document["Message"]), depth - 1)
    if "Records" in document:
        return [
            # With a plus for each space, as in a form.
            Written(
                bucket=record["s3"]["bucket"]["name"],
                name=unquote_plus(record["s3"]["object"]["key"], errors="strict"),
            )
            for record in document["Records"]
            if record["eventName"].removeprefix("s3:").startswith("ObjectCreated:")
        ]
    return None


def _of_event_bridge(document: Mapping[str, Any]) -> list[Written]:
    if document["detail-type"] != "Object Created":
        return []
    detail = document["detail"]
    return [Written(bucket=detail["bucket"]["name"], name=detail["object"]["key"])]
