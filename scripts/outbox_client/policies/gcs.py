"""Google Cloud's forms: role bindings, workload identity provider, lifecycle."""

from collections.abc import Iterable, Iterator
from typing import Any

from truss_outbox.contract.root import Root

from .role import INPUTS_DAYS, PROBE_DAYS, RIGHTS, TIER_DAYS, UNFINISHED_UPLOAD_DAYS, Purpose
from .workload import AUDIENCE, ISSUER, Workload

_CREATOR = "roles/storage.objectCreator"
_VIEWER = "roles/storage.objectViewer"
_USER = "roles/storage.objectUser"  # the smallest predefined role that may delete
_LISTER = "roles/storage.legacyBucketReader"
_LIST_PREFIX = "api.getAttribute('storage.googleapis.com/objectListPrefix', '')"


def role_bindings(role: Purpose, root: Root, *, member: str) -> dict[str, Any]:
    """An IAM policy of version 3; `gcloud storage buckets set-iam-policy` replaces what is there.

    Creating without deleting cannot overwrite: that is what keeps manifests as they are. A
    condition on names never covers listing, which is a right on the bucket. Conditions need the
    bucket's uniform bucket-level access.
    """
    rights = RIGHTS[role]
    creates = [folder for folder in rights.creates if folder not in rights.deletes]
    reads = [folder for folder in rights.reads if folder not in rights.deletes]
    bindings = []
    for name, granted, terms in (
        ("create", _CREATOR, _names(root, creates)),
        ("delete", _USER, _names(root, rights.deletes)),
        ("read", _VIEWER, [*_names(root, reads), *_listings(root, rights.lists)]),
    ):
        if condition := " || ".join(terms):
            limit = {"title": f"outbox-{role}-{name}", "expression": condition}
            bindings.append({"role": granted, "members": [member], "condition": limit})
    if not rights.lists:
        bindings.append({"role": _LISTER, "members": [member]})
    return {"version": 3, "bindings": bindings}


def identity_provider(workload: Workload) -> dict[str, Any]:
    """A workload identity pool's provider, as the IAM API takes it; gcloud has a flag for each."""
    claims = {**workload.claims(), "type": "model_container"}
    return {
        "displayName": "Baseten",
        "oidc": {"issuerUri": f"https://{ISSUER}", "allowedAudiences": [AUDIENCE]},
        "attributeMapping": {
            "google.subject": "assertion.sub",
            "attribute.org": "assertion.org",
            "attribute.team": "assertion.team",
            "attribute.model": "assertion.model",
        },
        "attributeCondition": " && ".join(
            f"assertion.{name} == '{value}'" for name, value in claims.items()
        ),
    }


def lifecycle(root: Root) -> dict[str, Any]:
    """For `gcloud storage buckets update --lifecycle-file`, which replaces the rules there are."""
    delete, abort = {"type": "Delete"}, {"type": "AbortIncompleteMultipartUpload"}
    nearline = {"type": "SetStorageClass", "storageClass": "NEARLINE"}
    rules = [
        (delete, INPUTS_DAYS, root.object_name("inputs/")),
        (delete, PROBE_DAYS, root.object_name("probes/")),
        (abort, UNFINISHED_UPLOAD_DAYS, root.object_name("")),
        (nearline, TIER_DAYS, root.object_name("artifacts/")),
    ]
    return {
        "lifecycle": {
            "rule": [
                {"action": action, "condition": _condition(days, prefix)}
                for action, days, prefix in rules
            ]
        }
    }


def _condition(days: int, prefix: str) -> dict[str, Any]:
    return {"age": days, **({"matchesPrefix": [prefix]} if prefix else {})}


def _names(root: Root, folders: Iterable[str]) -> Iterator[str]:
    for folder in folders:
        name = f"projects/_/buckets/{root.bucket}/objects/{root.object_name(folder)}/"
        yield f"resource.name.startsWith('{name}')"


def _listings(root: Root, folders: Iterable[str]) -> Iterator[str]:
    for folder in folders:
        yield f"{_LIST_PREFIX}.startsWith('{root.object_name(folder)}/')"
