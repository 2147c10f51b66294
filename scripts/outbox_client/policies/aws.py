"""AWS's forms: identity policy, bucket policy, role trust, lifecycle."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from truss_outbox.contract.root import Root

from .deployed import Deployed
from .role import (
    EVERYTHING,
    INPUTS_DAYS,
    PROBE_DAYS,
    TIER_DAYS,
    UNFINISHED_UPLOAD_DAYS,
    Rights,
    below,
    days_of_results,
)
from .workload import AUDIENCE, ISSUER, Workload

Statement = dict[str, Any]
_VERSION = "2012-10-17"


def role_policy(rights: Rights, root: Root, deployed: Deployed) -> dict[str, Any]:
    """What the user or role with these rights may do (`put-user-policy`, `put-role-policy`)."""
    statements = [
        *_object_statements(rights, root, deployed),
        *_bucket_statements(rights, root, deployed),
    ]
    if deployed.kms_key:
        creates = rights.creates or rights.rewrites
        actions = ["kms:Decrypt", *(["kms:GenerateDataKey"] if creates else [])]
        statements.append(_allow("Encryption", actions, [deployed.kms_key]))
    return {"Version": _VERSION, "Statement": statements}


def bucket_policy(root: Root, deployed: Deployed) -> dict[str, Any]:
    """Rules for everyone (`aws s3api put-bucket-policy`): TLS, and manifests are only created.

    Parts of multipart uploads carry no such header: s3:ObjectCreationOperation leaves them out.
    """
    bucket = _bucket_arn(root, deployed)
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
                "Resource": _arns(root, ["manifests"], deployed),
                "Condition": {
                    "Null": {"s3:if-none-match": "true"},
                    "Bool": {"s3:ObjectCreationOperation": "true"},
                },
            },
        ],
    }


def trust_policy(workload: Workload, deployed: Deployed, *, account: str) -> dict[str, Any]:
    """Who may take the writer's role (`aws iam create-role --assume-role-policy-document`).

    AWS sees of a token only `aud` and `sub`.
    """
    provider = f"arn:{deployed.partition}:iam::{account}:oidc-provider/{ISSUER}"
    return {
        "Version": _VERSION,
        "Statement": [
            {
                "Sid": "OutboxModelOnBaseten",
                "Effect": "Allow",
                "Principal": {"Federated": provider},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {f"{ISSUER}:aud": AUDIENCE},
                    "StringLike": {f"{ISSUER}:sub": workload.subject_pattern()},
                },
            }
        ],
    }


def lifecycle(root: Root, *, results_days: int | None = None) -> dict[str, Any]:
    """For `aws s3api put-bucket-lifecycle-configuration`, which replaces the rules there are."""
    unfinished = {"DaysAfterInitiation": UNFINISHED_UPLOAD_DAYS}
    tier = {"Days": TIER_DAYS, "StorageClass": "INTELLIGENT_TIERING"}
    rules: dict[str, tuple[str, dict[str, Any]]] = {
        "outbox-inputs": (root.object_name("inputs/"), {"Expiration": {"Days": INPUTS_DAYS}}),
        "outbox-probes": (root.object_name("probes/"), {"Expiration": {"Days": PROBE_DAYS}}),
        "outbox-unfinished": (root.object_name(""), {"AbortIncompleteMultipartUpload": unfinished}),
        "outbox-artifacts": (root.object_name("artifacts/"), {"Transitions": [tier]}),
    }
    for folder, days in days_of_results(results_days):
        prefix = root.object_name(f"{folder}/")
        # What goes before it would change its class is left in it.
        _, others = rules.get(f"outbox-{folder}", ("", {})) if days > TIER_DAYS else ("", {})
        rules[f"outbox-{folder}"] = prefix, {**others, "Expiration": {"Days": days}}
    return {
        "Rules": [
            {"ID": name, "Status": "Enabled", "Filter": {"Prefix": prefix}, **rule}
            for name, (prefix, rule) in rules.items()
        ]
    }


def _object_statements(rights: Rights, root: Root, deployed: Deployed) -> Iterator[Statement]:
    creates = ["s3:PutObject", *(["s3:PutObjectTagging"] if deployed.tags else [])]
    for name, actions, folders in (
        ("Create", creates, (*rights.creates, *rights.rewrites)),
        ("Read", ["s3:GetObject"], rights.reads),
        ("Delete", ["s3:DeleteObject"], rights.deletes),
        ("AbortUploads", ["s3:AbortMultipartUpload"], rights.uploads_in_parts),
    ):
        if folders:
            yield _allow(name, actions, _arns(root, folders, deployed))
    places = [_arns(place, [EVERYTHING], deployed) for place in deployed.input_roots]
    if rights.reads_input_roots and places:
        yield _allow("ReadInputRoots", ["s3:GetObject"], list(chain(*places)))


def _bucket_statements(rights: Rights, root: Root, deployed: Deployed) -> Iterator[Statement]:
    bucket = _bucket_arn(root, deployed)
    yield _listing("List", root, rights.lists, deployed)
    if rights.finds_unfinished_uploads:
        yield _allow("FindUploads", ["s3:ListBucketMultipartUploads"], [bucket])
    if rights.lists_input_roots:
        for number, place in enumerate(deployed.input_roots, start=1):
            yield _listing(f"ListInputRoot{number}", place, [EVERYTHING], deployed)


def _listing(name: str, root: Root, folders: Sequence[str], deployed: Deployed) -> Statement:
    """The right to list the folders, and where none is named, the whole bucket."""
    statement = _allow(name, ["s3:ListBucket"], [_bucket_arn(root, deployed)])
    if folders:
        prefixes = [f"{below(root, folder)}*" for folder in folders]
        statement["Condition"] = {"StringLike": {"s3:prefix": prefixes}}
    return statement


def _allow(name: str, actions: list[str], resources: list[str]) -> Statement:
    return {"Sid": f"Outbox{name}", "Effect": "Allow", "Action": actions, "Resource": resources}


def _bucket_arn(root: Root, deployed: Deployed) -> str:
    return f"arn:{deployed.partition}:s3:::{root.bucket}"


def _arns(root: Root, folders: Iterable[str], deployed: Deployed) -> list[str]:
    return [f"{_bucket_arn(root, deployed)}/{below(root, folder)}*" for folder in folders]
