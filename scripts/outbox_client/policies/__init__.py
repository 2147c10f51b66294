"""What to tell a cloud so that each side may do what it must, and no more. Pure: prints nothing."""

from typing import Any

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.root import Root

from . import aws, gcs
from .role import RIGHTS, Purpose
from .workload import ANY_WORKLOAD, Workload

__all__ = ["Purpose", "Workload", "policy"]

_MISREAD = "*$'\""
"""What a policy would take for a pattern, a variable or the end of a text."""


def policy(
    purpose: Purpose,
    root: Root,
    *,
    workload: Workload = ANY_WORKLOAD,
    principal: str | None = None,
    kms_key: str | None = None,
    tags: bool = False,
) -> dict[str, Any]:
    """The document in the form the root's cloud takes it.

    `principal`: on GCS, the member who gets the role; on AWS, the account id in which the trust's
    identity provider lives. `kms_key`: the ARN of the key that S3 encrypts with. `tags`: whether
    the model sets object tags. Raises ConfigurationError, which names the option.
    """
    if root.scheme not in {"s3", "gs"}:
        raise ConfigurationError("root", "must be s3://bucket/prefix or gs://bucket/prefix")
    if any(character in root.prefix for character in _MISREAD):
        raise ConfigurationError("root", f"may hold none of {' '.join(_MISREAD)}")
    if root.scheme == "gs":
        return _on_gcs(purpose, root, workload, member=principal)
    match purpose:
        case Purpose.BUCKET:
            return aws.bucket_policy(root)
        case Purpose.TRUST:
            return aws.trust_policy(workload, account=_required(principal, "the AWS account's id"))
        case Purpose.LIFECYCLE:
            return aws.lifecycle(root)
        case role:
            return aws.role_policy(RIGHTS[role], root, kms_key=kms_key, tags=tags)


def _on_gcs(
    purpose: Purpose, root: Root, workload: Workload, *, member: str | None
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
            return gcs.lifecycle(root)
        case role:
            who = _required(member, "serviceAccount:… or principalSet:…, who gets the role")
            return gcs.role_bindings(role, root, member=who)


def _required(principal: str | None, what: str) -> str:
    if not principal:
        raise ConfigurationError("principal", f"pass --principal: {what}")
    return principal
