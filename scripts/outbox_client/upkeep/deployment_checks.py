"""Whether the model answers, and whether what it stores is what this checkout would store."""

from truss_outbox.contract import KeyFields, Manifest, RequestMetadata
from truss_outbox.contract.errors import (
    ConfigurationError,
    ManifestError,
    NotFoundError,
    OutboxError,
    StoreError,
)
from truss_outbox.contract.root import Root

from ..bucket.bucket import Bucket, StoredObject
from ..errors import ServiceError, ServiceUnavailableError, UnauthorizedError
from ..service.api import AsyncApi
from ..settings import Settings
from .checks import Check, ok, unknown, wrong

_LOOKED_AT = 20
_PLACEHOLDER = "your-bucket"
_HIDDEN = "its secrets and limits cannot be known from here"


def check_config(settings: Settings) -> Check:
    """Settings that could be read at all are sane, but for those nobody has filled in."""
    name = "config"
    if not settings.root:
        return wrong(name, "no bucket is named; set `root` in config.yaml, or OUTBOX_ROOT")
    try:
        bucket = Root.parse(settings.root).bucket
    except ConfigurationError as error:
        return wrong(name, error)
    if bucket == _PLACEHOLDER:
        return wrong(name, f"root is still {settings.root}; set your own in config.yaml")
    said = f"root {settings.root}, key_template {settings.template.text}"
    return ok(name, f"{said}, version {settings.model_version or 'not set'}")


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


def check_deployed(settings: Settings, bucket: Bucket, seen: list[StoredObject]) -> Check:
    """The latest result tells the version and the key template of the model that stored it."""
    name = "deployed"
    try:
        manifest = _latest(settings, bucket, seen)
    except (StoreError, ManifestError) as error:
        return wrong(name, error)
    if manifest is None:
        said = f"no result of environment {settings.environment} yet: what is deployed"
        return unknown(name, f"{said} shows in the first one; {_HIDDEN}")
    differences = _differences(settings, manifest)
    if differences:
        said = f"the result of {manifest.created_at:%Y-%m-%d %H:%M} was stored with other settings"
        remedy = "`truss push` this checkout, or check out what is deployed"
        return wrong(name, f"{said} ({'; '.join(differences)}): {remedy}")
    return ok(name, f"the latest result has this version and key_template; {_HIDDEN}")


def _latest(settings: Settings, bucket: Bucket, seen: list[StoredObject]) -> Manifest | None:
    """Of this environment; a stand-in's model knows of none."""
    for found in seen[:_LOOKED_AT]:
        try:
            manifest = Manifest.from_bytes(bucket.get(found.key))
        except NotFoundError:
            continue
        if manifest.model.environment in {None, settings.environment}:
            return manifest
    return None


def _differences(settings: Settings, manifest: Manifest) -> list[str]:
    differences = []
    if settings.model_version not in {None, manifest.model.version}:
        differences.append(f"version {manifest.model.version!r}, here {settings.model_version!r}")
    if settings.model_name != manifest.model.name:
        differences.append(f"model_name {manifest.model.name!r}, here {settings.model_name!r}")
    fields = KeyFields(
        metadata=RequestMetadata(job=manifest.job, item=manifest.item, labels=manifest.labels),
        request_id=manifest.request_id,
        model=manifest.model.name,
        environment=manifest.model.environment,
    )
    try:
        key = settings.template.render(fields)
    except OutboxError:
        key = None
    if key != manifest.key:
        differences.append(f"key {manifest.key!r}, which {settings.template.text!r} does not give")
    return differences
