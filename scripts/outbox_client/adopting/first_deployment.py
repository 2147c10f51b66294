"""What a Truss that stores its results needs beside its files, before and after `truss push`."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from truss_outbox.contract.root import Root

from .config import is_keyless

_PRINCIPALS = {"gs": " --principal serviceAccount:…"}
_OIDC = "with runtime.oidc.enabled: true"


def first_deployment(directory: Path, root: Root, section: Mapping[str, Any]) -> Iterator[str]:
    """Sentences, in the order to do them. `section` are the Truss's settings of Outbox."""
    folder = shlex.quote(str(directory))
    yield f"Try it on this machine: `outbox serve {folder} --bucket .outbox/bucket`"
    writer = f"`outbox policy --for writer --root {root}{_PRINCIPALS.get(root.scheme, '')}`"
    match root.scheme:
        case "s3" if is_keyless(section, "s3"):
            yield f"Give the role of aws_role_arn the rights that {writer} prints"
            trust = f"`outbox policy --for trust --root {root} --principal … --org …`"
            yield f"Let it trust Baseten's tokens: {trust}; {_OIDC}"
        case "s3":
            yield (
                "Make the Baseten secrets aws_access_key_id and aws_secret_access_key"
                " (aws_session_token too for temporary keys) of a user with the rights that"
                f" {writer} prints; or use no keys: aws_role_arn, {_OIDC}"
            )
        case "gs" if is_keyless(section, "gs"):
            yield f"Give the bucket the binding that {writer} prints; {_OIDC}"
        case "gs":
            yield (
                "Make the Baseten secret gcp_service_account, the JSON key of an account, and give"
                f" the bucket the binding that {writer} prints; or use no key:"
                f" gcp_workload_identity_provider, {_OIDC}"
            )
        case _:
            yield "A directory serves trials on this machine; Baseten needs an s3:// or gs:// root"
            return
    if root.scheme == "s3" and not section.get("region"):
        yield "Set model_metadata.outbox.region (--region) if the bucket is not in us-east-1"
    yield f"Deploy it: `truss push {folder}`"
    yield "Look whether all fits: `outbox doctor --send`"
