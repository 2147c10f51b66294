"""How a bucket tells a queue of results and failures, and who may send to it and read it."""

import json
from typing import Any

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.root import Root

from ..queues.address import QueueAddress
from .deployed import Deployed

FOLDERS = ("manifests", "failures")
"""Not artifacts, of which a result has many: its manifest comes last, and once."""

_KINDS = {"s3": "sqs", "gs": "pubsub"}
_FOLLOWING = (
    *("sqs:GetQueueUrl", "sqs:ReceiveMessage"),
    *("sqs:DeleteMessage", "sqs:ChangeMessageVisibility"),
)
RULE = "outbox-events"


def queue_of(root: Root, queue: str | None) -> QueueAddress:
    """The queue as `root`'s cloud can tell it. Raises ConfigurationError."""
    kind = _KINDS[root.scheme]
    form = "sqs://account/name" if kind == "sqs" else "pubsub://project/name"
    if not queue:
        raise ConfigurationError("queue", f"pass --queue {form}")
    address = QueueAddress.parse(queue)
    if address.kind != kind:
        raise ConfigurationError("queue", f"a bucket {root.scheme}://… tells {form}")
    return address


def on_aws(root: Root, queue: QueueAddress, deployed: Deployed) -> dict[str, Any]:
    """For `aws s3api put-bucket-notification-configuration`, which replaces what there is."""
    filters = {
        folder: [
            {"Name": "prefix", "Value": root.object_name(f"{folder}/")},
            {"Name": "suffix", "Value": ".json"},
        ]
        for folder in FOLDERS
    }
    return {
        "QueueConfigurations": [
            {
                "Id": f"outbox-{folder}",
                "QueueArn": _queue_arn(queue, deployed),
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": rules}},
            }
            for folder, rules in filters.items()
        ]
    }


def event_rule(root: Root, queue: QueueAddress, deployed: Deployed) -> dict[str, Any]:
    """For `aws events put-rule --cli-input-json`, where the bucket tells EventBridge of all.

    The queue is its target: `aws events put-targets`.
    """
    keys = [{"prefix": root.object_name(f"{folder}/")} for folder in FOLDERS]
    detail = {"bucket": {"name": [root.bucket]}, "object": {"key": keys}}
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}
    return {
        "Name": RULE,
        "Description": f"Results and failures, for {_queue_arn(queue, deployed)}",
        "EventPattern": json.dumps(pattern),
    }


def queue_policy(root: Root, queue: QueueAddress, deployed: Deployed) -> dict[str, Any]:
    """The queue's own (`aws sqs set-queue-attributes`, Policy): the bucket, and the rule, may send.

    Of one's own account alone: a bucket of that name may be another's one day.
    """
    arn = _queue_arn(queue, deployed)
    _, partition, _, region, account, _ = arn.split(":")
    sources = {
        "Bucket": ("s3", f"arn:{partition}:s3:::{root.bucket}"),
        "Rule": ("events", f"arn:{partition}:events:{region}:{account}:rule/{RULE}"),
    }
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": f"Outbox{name}Tells",
                "Effect": "Allow",
                "Principal": {"Service": f"{service}.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {
                    "ArnEquals": {"aws:SourceArn": source},
                    "StringEquals": {"aws:SourceAccount": account},
                },
            }
            for name, (service, source) in sources.items()
        ],
    }


def follower_policy(queue: QueueAddress, deployed: Deployed) -> dict[str, Any]:
    """What who follows the queue may do with it, beside what a reader may."""
    statement = {
        "Sid": "OutboxFollow",
        "Effect": "Allow",
        "Action": list(_FOLLOWING),
        "Resource": [_queue_arn(queue, deployed)],
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def on_gcs(root: Root, queue: QueueAddress) -> dict[str, Any]:
    """Notification configurations as the JSON API takes each; gcloud has a flag for each field."""
    topic = f"//pubsub.googleapis.com/projects/{queue.owner}/topics/{queue.name}"
    return {
        "items": [
            {
                "topic": topic,
                "event_types": ["OBJECT_FINALIZE"],
                "object_name_prefix": root.object_name(f"{folder}/"),
                "payload_format": "JSON_API_V1",
            }
            for folder in FOLDERS
        ]
    }


def bindings(role: str, member: str) -> dict[str, Any]:
    """For `gcloud pubsub topics set-iam-policy`, or `subscriptions`; it replaces what is there."""
    return {"bindings": [{"role": role, "members": [member]}]}


def _queue_arn(queue: QueueAddress, deployed: Deployed) -> str:
    region = queue.region or deployed.region
    if not queue.owner or not region:
        raise ConfigurationError("queue", "write sqs://account/name?region=… with both of them")
    return f"arn:{deployed.partition}:sqs:{region}:{queue.owner}:{queue.name}"
