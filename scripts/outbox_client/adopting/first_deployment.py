"""What a Truss that stores its results needs beside its files, before and after `truss push`."""

from collections.abc import Iterator
from pathlib import Path

from truss_outbox.contract.root import Root

from .config import TrussConfig


def first_deployment(config: TrussConfig, root: Root) -> Iterator[str]:
    """Sentences, in the order to do them."""
    match root.scheme:
        case "s3" if config.is_keyless("s3"):
            yield f"Give the role of aws_role_arn the rights of `{_policy('writer', root)}`"
            yield f"Let it trust Baseten's tokens: `{_policy('trust', root)}`; {_OIDC}"
        case "s3":
            yield (
                "Make the Baseten secrets aws_access_key_id and aws_secret_access_key"
                " (aws_session_token too for temporary keys) of a user with the rights of"
                f" `{_policy('writer', root)}`; or use no keys: aws_role_arn, {_OIDC}"
            )
        case "gs" if config.is_keyless("gs"):
            yield f"Give the bucket the binding of `{_policy('writer', root)}`; {_OIDC}"
        case "gs":
            yield (
                "Make the Baseten secret gcp_service_account, the JSON key of an account with the"
                f" binding of `{_policy('writer', root)}`; or use no key:"
                f" gcp_workload_identity_provider, {_OIDC}"
            )
        case _:
            yield "A directory serves trials on this machine; Baseten needs an s3:// or gs:// root"
            return
    if root.scheme == "s3" and not config.section.get("region"):
        yield "Set model_metadata.outbox.region if the bucket is not in us-east-1"
    yield f"Deploy it: `truss push {_shown(config.directory)}`"
    yield "Look whether all fits: `outbox doctor --send`"


_OIDC = "with runtime.oidc.enabled: true"


def _policy(purpose: str, root: Root) -> str:
    return f"outbox policy --for {purpose} --root {root}"


def _shown(directory: Path) -> str:
    return str(directory) if str(directory) != "." else ""
