"""Google Cloud's forms: role bindings, workload identity provider, lifecycle."""

from typing import Any

from truss_outbox.contract.root import Root

from .deployed import Deployed
from .role import (
    EVERYTHING,
    INPUTS_DAYS,
    PROBE_DAYS,
    RIGHTS,
    TIER_DAYS,
    UNFINISHED_UPLOAD_DAYS,
    Purpose,
    below,
    days_of_results,
)
from .workload import AUDIENCE, ISSUER, Workload

_CREATOR = "roles/storage.objectCreator"
_VIEWER = "roles/storage.objectViewer"
_USER = "roles/storage.objectUser"  # the smallest predefined role that may delete
_LISTER = "roles/storage.legacyBucketReader"
_LIST_PREFIX = "api.getAttribute('storage.googleapis.com/objectListPrefix', '')"


def role_bindings(role: Purpose, root: Root, deployed: Deployed, *, member: str) -> dict[str, Any]:
    """An IAM policy of version 3; `gcloud storage buckets set-iam-policy` replaces what is there.

    Creating without deleting cannot overwrite: that is what keeps manifests as they are. A
    condition on names never covers listing, which is a right on the bucket. Conditions need the
    bucket's uniform bucket-level access. An input root in another bucket is that bucket's affair.
    """
    rights = RIGHTS[role]
    changes = (*rights.deletes, *rights.rewrites)
    creates = [folder for folder in rights.creates if folder not in changes]
    reads = [folder for folder in rights.reads if folder not in changes]
    here = [place for place in deployed.input_roots if place.bucket == root.bucket]
    also_read = here if rights.reads_input_roots else []
    also_listed = here if rights.lists_input_roots else []
    bindings = []
    for name, granted, terms in (
        ("create", _CREATOR, [_name(root, folder) for folder in creates]),
        ("change", _USER, [_name(root, folder) for folder in changes]),
        (
            "read",
            _VIEWER,
            [
                *(_name(root, folder) for folder in reads),
                *(_name(place, EVERYTHING) for place in also_read),
                *(_listing(root, folder) for folder in rights.lists),
                *(_listing(place, EVERYTHING) for place in also_listed if rights.lists),
            ],
        ),
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


def lifecycle(root: Root, *, results_days: int | None = None) -> dict[str, Any]:
    """For `gcloud storage buckets update --lifecycle-file`, which replaces the rules there are."""
    delete, abort = {"type": "Delete"}, {"type": "AbortIncompleteMultipartUpload"}
    nearline = {"type": "SetStorageClass", "storageClass": "NEARLINE"}
    rules = [
        (delete, INPUTS_DAYS, root.object_name("inputs/")),
        (delete, PROBE_DAYS, root.object_name("probes/")),
        (abort, UNFINISHED_UPLOAD_DAYS, root.object_name("")),
        (nearline, TIER_DAYS, root.object_name("artifacts/")),
        *(
            (delete, days, root.object_name(f"{folder}/"))
            for folder, days in days_of_results(results_days)
        ),
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


def _name(root: Root, folder: str) -> str:
    name = f"projects/_/buckets/{root.bucket}/objects/{below(root, folder)}"
    return f"resource.name.startsWith('{name}')"


def _listing(root: Root, folder: str) -> str:
    return f"{_LIST_PREFIX}.startsWith('{below(root, folder)}')"
