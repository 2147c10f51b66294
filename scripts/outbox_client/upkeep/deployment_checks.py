"""Whether the model answers, and whether what it stores is what this checkout would store."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from truss_outbox.contract import Manifest, RequestMetadata
from truss_outbox.contract.errors import ConfigurationError, OutboxError
from truss_outbox.contract.root import Root

from ..bucket.bucket import Bucket, StoredObject
from ..bucket.naming import Naming
from ..bucket.records import UnreadableManifest, read_listed
from ..errors import ServiceError, ServiceUnavailableError, UnauthorizedError
from ..service.api import AsyncApi
from .checks import Check, ok, unknown, wrong

_LOOKED_AT = 20
_PLACEHOLDER = "your-bucket"
_HIDDEN = "its secrets and limits cannot be known from here"


def check_config(root: str | None, *, naming: Naming, model_version: str | None) -> Check:
    """Whether root is one, and not the example's; reading the settings has checked the others."""
    name = "config"
    if not root:
        return wrong(name, "no bucket is named; set `root` in config.yaml, or OUTBOX_ROOT")
    try:
        bucket = Root.parse(root).bucket
    except ConfigurationError as error:
        return wrong(name, error)
    if bucket == _PLACEHOLDER:
        return wrong(name, f"root is still {root}; set your own in config.yaml")
    said = f"root {root}, key_template {naming.template.text}"
    return ok(name, f"{said}, version {model_version or 'not set'}")


def check_service(api: AsyncApi) -> list[Check]:
    """The key, and behind it the model."""
    try:
        queue = api.queue_status()
    except UnauthorizedError as error:
        remedy = "make a key in Baseten's settings, and set BASETEN_API_KEY"
        return [wrong("API key", f"{error}; {remedy}")]
    except ServiceUnavailableError as error:
        return [wrong("model", error)]
    except ServiceError as error:
        remedy = "check --model-id and --environment, and that it is deployed"
        return [wrong("model", f"{error}; {remedy}")]
    said = f"{queue.queued} queued, {queue.in_progress} running"
    return [ok("API key", "accepted"), ok("model", said)]


def check_deployed(
    bucket: Bucket, seen: Sequence[StoredObject], *, naming: Naming, model_version: str | None
) -> Iterator[Check]:
    """The latest result tells the version and the key template of the model that stored it.

    Raises AccessDeniedError and StoreUnavailableError.
    """
    for found in seen[:_LOOKED_AT]:
        manifest = read_listed(bucket, found)
        if isinstance(manifest, UnreadableManifest):
            yield wrong("manifest", f"{manifest.key}: {manifest.problem}")
        elif manifest.model.environment in {None, naming.environment}:  # a stand-in's has none
            yield _compared(manifest, naming, model_version)
            return
    said = f"no result of environment {naming.environment} yet: what is deployed"
    yield unknown("deployed", f"{said} shows in the first one; {_HIDDEN}")


def _compared(manifest: Manifest, naming: Naming, model_version: str | None) -> Check:
    differences = list(_differences(manifest, naming, model_version))
    if differences:
        said = f"the result of {manifest.created_at:%Y-%m-%d %H:%M} was stored with other settings"
        remedy = "`truss push` this checkout, or check out what is deployed"
        return wrong("deployed", f"{said} ({'; '.join(differences)}): {remedy}")
    return ok("deployed", f"the latest result has this version and key_template; {_HIDDEN}")


def _differences(manifest: Manifest, naming: Naming, model_version: str | None) -> Iterator[str]:
    if model_version not in {None, manifest.model.version}:
        yield f"version {manifest.model.version!r}, here {model_version!r}"
    if naming.model not in {None, manifest.model.name}:
        yield f"model_name {manifest.model.name!r}, here {naming.model!r}"
    # With the manifest's own names: what is left to differ is the template.
    own = replace(naming, model=manifest.model.name, environment=manifest.model.environment)
    metadata = RequestMetadata(job=manifest.job, item=manifest.item, labels=manifest.labels)
    try:
        key = own.key(metadata, request_id=manifest.request_id)
    except OutboxError:
        key = None
    if key != manifest.key:
        yield f"key {manifest.key!r}, which {naming.template.text!r} does not give"
