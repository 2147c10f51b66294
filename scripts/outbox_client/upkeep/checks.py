"""Doctor's checks: the bucket is tried out, and what is deployed compared with this checkout."""

import hashlib
import secrets
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Unpack

from truss_outbox.contract.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConfigurationError,
    NotFoundError,
    ObjectTooLargeError,
    OutboxError,
    StoreError,
)
from truss_outbox.contract.keys import CANARY_FOLDER, input_key
from truss_outbox.contract.manifest import MAX_MANIFEST_BYTES, Manifest
from truss_outbox.contract.metadata import RequestMetadata
from truss_outbox.contract.root import Root

from ..bucket.bucket import Bucket
from ..bucket.listed import StoredObject
from ..bucket.naming import Naming
from ..bucket.open_bucket import Connection, route_to
from ..bucket.records import listed_manifests, read_listed
from ..bucket.route import Route
from ..clock import Clock
from ..errors import ServiceError, ServiceUnavailableError, UnauthorizedError
from ..service.api import AsyncApi


class Finding(StrEnum):
    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """`said` is one line, with the remedy where something is wrong."""

    name: str
    finding: Finding
    said: str


def ok(name: str, said: str) -> Check:
    return Check(name=name, finding=Finding.OK, said=said)


def wrong(name: str, said: str | OutboxError) -> Check:
    return Check(name=name, finding=Finding.WRONG, said=str(said))


def unknown(name: str, said: str) -> Check:
    return Check(name=name, finding=Finding.UNKNOWN, said=said)


LISTED = 10_000
"""How many manifests are looked through for the latest ones."""

_TOLERATED_SECONDS = 60.0
_POLICY = "`outbox policy --for client` prints what is needed"


def _with_remedy(error: StoreError) -> str:
    return f"{error}; {_POLICY}" if isinstance(error, AccessDeniedError) else str(error)


def check_listing(bucket: Bucket) -> tuple[Check, list[StoredObject]]:
    """And the manifests seen, the latest first."""
    try:
        seen = list(islice(listed_manifests(bucket, ""), LISTED))
    except StoreError as error:
        return wrong("list manifests/", _with_remedy(error)), []
    count = f"{len(seen)} or more" if len(seen) == LISTED else str(len(seen))
    seen.sort(key=lambda found: found.modified_at, reverse=True)
    return ok("list manifests/", f"{count} result(s)"), seen


def check_reading(bucket: Bucket, seen: list[StoredObject]) -> Check:
    """Where there is no result yet, a missing object does: it must be missing, not forbidden."""
    key = seen[0].key if seen else "manifests/outbox-doctor.json"
    try:
        bucket.get(key, max_bytes=MAX_MANIFEST_BYTES)
    except NotFoundError:
        return ok("read", "allowed, and nothing is there yet")
    except ObjectTooLargeError:
        return ok("read", f"allowed, and {key} is no manifest: it is too large")
    except AccessDeniedError as error:
        hint = "" if seen else "; without s3:ListBucket a missing object is forbidden, too"
        return wrong("read", f"{error}; {_POLICY}{hint}")
    except StoreError as error:
        return wrong("read", error)
    return ok("read", f"{key} came")


def check_inputs(bucket: Bucket) -> Iterator[Check]:
    """Create an input of random content, try to create it again, delete it."""
    # Random, so that no other doctor's trial is met; named by its hash, as inputs are.
    content = b"outbox doctor " + secrets.token_hex(16).encode()
    key = input_key(hashlib.sha256(content).hexdigest())
    try:
        bucket.create(key, content)  # random: taken by nobody but a try whose answer was lost
    except StoreError as error:
        yield wrong("create inputs/", _with_remedy(error))
        return
    yield ok("create inputs/", "large documents can be sent")
    yield _check_create_only(bucket, key, content)
    try:
        bucket.delete(key)
    except StoreError as error:
        yield wrong("delete inputs/", f"{_with_remedy(error)}; one small object stays behind")
    else:
        yield ok("delete inputs/", "the trial object is gone")


def _check_create_only(bucket: Bucket, key: str, content: bytes) -> Check:
    name = "create only once"
    try:
        bucket.create_new(key, content)
    except AlreadyExistsError:
        return ok(name, "a second create is refused")
    except StoreError as error:
        return wrong(name, error)
    return wrong(
        name,
        "a second create of one key succeeded: the store ignores If-None-Match, so results could"
        " overwrite each other; use a store with conditional writes",
    )


def check_clock(root: str, *, clock: Clock, **connection: Unpack[Connection]) -> Check:
    """S3 refuses signatures of a clock that is 15 minutes wrong, and links end at a wrong time.

    Raises ConfigurationError.
    """
    import httpx  # noqa: PLC0415  # 0.1 seconds

    name = "clock"
    route = route_to(root, **connection)
    if route is None:
        return ok(name, "a directory has this machine's clock")
    try:
        theirs = _time_at(route)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return unknown(name, route.place.unanswered(type(error).__name__))
    except (KeyError, ValueError):
        return unknown(name, "the bucket's host does not say what time it has")
    seconds = (datetime.fromtimestamp(clock.now(), UTC) - theirs).total_seconds()
    if abs(seconds) > _TOLERATED_SECONDS:
        which = "ahead of" if seconds > 0 else "behind"
        said = f"this machine is {abs(seconds):.0f} s {which} the bucket: switch on time"
        return wrong(name, f"{said} synchronisation (NTP)")
    return ok(name, f"within {max(1, round(abs(seconds)))} s of the bucket's")


def bucket_time(root: str, **connection: Unpack[Connection]) -> datetime | None:
    """By the clock that dates the bucket's objects, to the second; None where it does not say."""
    import httpx  # noqa: PLC0415  # 0.1 seconds

    route = route_to(root, **connection)
    if route is None:
        return datetime.now(UTC)
    try:
        return _time_at(route)
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError):
        return None


def _time_at(route: Route) -> datetime:
    import httpx  # noqa: PLC0415  # 0.1 seconds

    # Not signed: a refusal says what time it is, too.
    answer = httpx.head(
        route.url,
        verify=_trusting(route.ca_bundle),
        proxy=route.proxy_url,
        trust_env=False,
        timeout=10,
    )
    return parsedate_to_datetime(answer.headers["date"])


def _trusting(ca_bundle: Path) -> ssl.SSLContext:
    if ca_bundle.is_dir():
        return ssl.create_default_context(capath=ca_bundle)
    return ssl.create_default_context(cafile=ca_bundle)


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
    # A canary's key is not of the template.
    results = [one for one in seen if not one.key.startswith(f"manifests/{CANARY_FOLDER}/")]
    for found in results[:_LOOKED_AT]:
        manifest = read_listed(bucket, found)
        # A stand-in's model has none, and of a deployment nobody may have said which it serves.
        environments = {manifest and manifest.model.environment, naming.environment} - {None}
        if manifest is not None and len(environments) < 2:
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
