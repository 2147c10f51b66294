"""What to tell a cloud so that each side may do what it must, and no more. Pure: prints nothing."""

import re
from typing import Any

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.root import Root

from ..queues.address import QueueAddress
from . import aws, events, gcs
from .deployed import PLAIN, Deployed
from .role import RIGHTS, Purpose
from .workload import ANY_WORKLOAD, Workload

__all__ = ["Deployed", "Purpose", "Workload", "policy"]

_KMS_KEY = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")
_MISREAD = "*?$'\""
"""What a policy would take for a pattern, a variable or the end of a text."""


def policy(
    purpose: Purpose,
    root: Root,
    *,
    workload: Workload = ANY_WORKLOAD,
    principal: str | None = None,
    deployed: Deployed = PLAIN,
    queue: str | None = None,
) -> dict[str, Any]:
    """The document in the form the root's cloud takes it.

    `principal`: on GCS, the member who gets the role; on AWS, the account id in which the trust's
    identity provider lives. `queue`: where the bucket's events go, as `queues.address` writes it.
    Raises ConfigurationError, which names the option.
    """
    for setting, place in (("root", root), *(("input_root", one) for one in deployed.input_roots)):
        _check_place(setting, place)
    if any(place.scheme != root.scheme for place in deployed.input_roots):
        raise ConfigurationError("input_root", f"must be {root.scheme}://…, as the root is")
    if purpose in _OF_EVENTS:
        return _of_events(purpose, root, deployed, queue=queue, member=principal)
    if root.scheme == "gs":
        return _on_gcs(purpose, root, workload, deployed, member=principal)
    match purpose:
        case Purpose.BUCKET:
            return aws.bucket_policy(root, deployed)
        case Purpose.TRUST:
            account = _required(principal, "the AWS account's id")
            return aws.trust_policy(workload, deployed, account=account)
        case Purpose.LIFECYCLE:
            return aws.lifecycle(root, results_days=deployed.results_days)
        case role:
            _check_kms_key(deployed.kms_key)
            return aws.role_policy(RIGHTS[role], root, deployed)


def _check_place(setting: str, place: Root) -> None:
    if place.scheme not in {"s3", "gs"}:
        raise ConfigurationError(setting, "must be s3://bucket/prefix or gs://bucket/prefix")
    if any(character in place.prefix for character in _MISREAD):
        raise ConfigurationError(setting, f"may hold none of {' '.join(_MISREAD)}")


def _check_kms_key(kms_key: str | None) -> None:
    # A policy takes neither an id nor an alias, which s3_kms_key_id may be.
    if kms_key is not None and not _KMS_KEY.fullmatch(kms_key):
        raise ConfigurationError("kms_key", "pass --kms-key with the ARN of a key: arn:aws:kms:…")


def _on_gcs(
    purpose: Purpose, root: Root, workload: Workload, deployed: Deployed, *, member: str | None
) -> dict[str, Any]:
    match purpose:
        case Purpose.BUCKET:
            raise ConfigurationError(
                "for",
                "GCS needs no bucket policy: it always uses TLS, and the writer's role cannot"
                " overwrite a manifest, because it may not delete one",
            )
        case Purpose.TRUST:
            return gcs.identity_provider(workload)
        case Purpose.LIFECYCLE:
            return gcs.lifecycle(root, results_days=deployed.results_days)
        case role:
            who = _required(member, "serviceAccount:… or principalSet:…, who gets the role")
            return gcs.role_bindings(role, root, deployed, member=who)


_OF_EVENTS = {Purpose.EVENTS, Purpose.EVENT_RULE, Purpose.QUEUE, Purpose.FOLLOWER}


def _of_events(
    purpose: Purpose, root: Root, deployed: Deployed, *, queue: str | None, member: str | None
) -> dict[str, Any]:
    address = events.queue_of(root, queue)
    if address.kind == "pubsub":
        return _of_pubsub(purpose, root, address, member=member)
    match purpose:
        case Purpose.EVENTS:
            return events.on_aws(root, address, deployed)
        case Purpose.EVENT_RULE:
            return events.event_rule(root, address, deployed)
        case Purpose.QUEUE:
            return events.queue_policy(root, address, deployed)
        case _:
            return events.follower_policy(address, deployed)


def _of_pubsub(
    purpose: Purpose, root: Root, queue: QueueAddress, *, member: str | None
) -> dict[str, Any]:
    match purpose:
        case Purpose.EVENTS:
            return events.on_gcs(root, queue)
        case Purpose.EVENT_RULE:
            raise ConfigurationError("for", "GCS tells Pub/Sub without a rule: --for events")
        case Purpose.QUEUE:
            sender = "serviceAccount:service-NUMBER@gs-project-accounts.iam.gserviceaccount.com"
            return events.bindings("roles/pubsub.publisher", _required(member, sender))
        case _:
            who = _required(member, "serviceAccount:…, who follows the subscription")
            return events.bindings("roles/pubsub.subscriber", who)


def _required(principal: str | None, what: str) -> str:
    if not principal:
        raise ConfigurationError("principal", f"pass --principal: {what}")
    return principal
