"""AWS's forms: identity policy, bucket policy, role trust, lifecycle."""

from collections.abc import Iterable, Iterator
from typing import Any

from truss_outbox.contract.root import Root

from .role import INPUTS_DAYS, PROBE_DAYS, TIER_DAYS, UNFINISHED_UPLOAD_DAYS, Rights
from .workload import AUDIENCE, ISSUER, Workload

_VERSION = "2012-10-17"


def role_policy(
    rights: Rights, root: Root, *, kms_key: str | None = None, tags: bool = False
) -> dict[str, Any]:
    """What the user or role with these rights may do (`put-user-policy`, `put-role-policy`)."""
    statements = [*_object_statements(rights, root, tags=tags), *_bucket_statements(rights, root)]
    if kms_key:
        actions = ["kms:Decrypt", *(["kms:GenerateDataKey"] if rights.creates else [])]
        statements.append(_allow("Encryption", actions, [kms_key]))
    return {"Version": _VERSION, "Statement": statements}


def bucket_policy(root: Root) -> dict[str, Any]:
    """Rules for everyone (`aws s3api put-bucket-policy`): TLS, and manifests are only created.

    Parts of multipart uploads carry no such header: s3:ObjectCreationOperation leaves them out.
    """
    bucket = _bucket_arn(root)
    return {
        "Version": _VERSION,
        "Statement": [
            {
                "Sid": "OutboxOnlyOverTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [bucket, f"{bucket}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
            {
                "Sid": "OutboxManifestsAreNeverOverwritten",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:PutObject",
                "Resource": _arns(root, ["manifests"]),
                "Condition": {
                    "Null": {"s3:if-none-match": "true"},
                    "Bool": {"s3:ObjectCreationOperation": "true"},
                },
            },
        ],
    }


def trust_policy(workload: Workload, *, account: str) -> dict[str, Any]:
    """Who may take the writer's role (`aws iam create-role --assume-role-policy-document`).

    AWS sees of a token only `aud` and `sub`.
    """
    return {
        "Version": _VERSION,
        "Statement": [
            {
                "Sid": "OutboxModelOnBaseten",
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::{account}:oidc-provider/{ISSUER}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {f"{ISSUER}:aud": AUDIENCE},
                    "StringLike": {f"{ISSUER}:sub": workload.subject_pattern()},
                },
            }
        ],
    }


def lifecycle(root: Root) -> dict[str, Any]:
    """For `aws s3api put-bucket-lifecycle-configuration`, which replaces the rules there are."""
    unfinished = {"DaysAfterInitiation": UNFINISHED_UPLOAD_DAYS}
    tier = {"Days": TIER_DAYS, "StorageClass": "INTELLIGENT_TIERING"}
    rules: dict[str, tuple[str, dict[str, Any]]] = {
        "outbox-inputs": (root.object_name("inputs/"), {"Expiration": {"Days": INPUTS_DAYS}}),
        "outbox-probes": (root.object_name("probes/"), {"Expiration": {"Days": PROBE_DAYS}}),
        "outbox-unfinished": (root.object_name(""), {"AbortIncompleteMultipartUpload": unfinished}),
        "outbox-artifacts": (root.object_name("artifacts/"), {"Transitions": [tier]}),
    }
    return {
        "Rules": [
            {"ID": name, "Status": "Enabled", "Filter": {"Prefix": prefix}, **rule}
            for name, (prefix, rule) in rules.items()
        ]
    }


def _object_statements(rights: Rights, root: Root, *, tags: bool) -> Iterator[dict[str, Any]]:
    creates = ["s3:PutObject", *(["s3:PutObjectTagging"] if tags else [])]
    for name, actions, folders in (
        ("Create", creates, rights.creates),
        ("Read", ["s3:GetObject"], rights.reads),
        ("Delete", ["s3:DeleteObject"], rights.deletes),
        ("AbortUploads", ["s3:AbortMultipartUpload"], rights.uploads_in_parts),
    ):
        if folders:
            yield _allow(name, actions, _arns(root, folders))


def _bucket_statements(rights: Rights, root: Root) -> Iterator[dict[str, Any]]:
    statement = _allow("List", ["s3:ListBucket"], [_bucket_arn(root)])
    if rights.lists:
        prefixes = [f"{root.object_name(folder)}/*" for folder in rights.lists]
        statement["Condition"] = {"StringLike": {"s3:prefix": prefixes}}
    yield statement
    if rights.finds_unfinished_uploads:
        yield _allow("FindUploads", ["s3:ListBucketMultipartUploads"], [_bucket_arn(root)])


def _allow(name: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": f"Outbox{name}", "Effect": "Allow", "Action": actions, "Resource": resources}


def _bucket_arn(root: Root) -> str:
    return f"arn:aws:s3:::{root.bucket}"


def _arns(root: Root, folders: Iterable[str]) -> list[str]:
    return [f"{_bucket_arn(root)}/{root.object_name(folder)}/*" for folder in folders]
