"""Finding, and deleting, what no result needs: orphaned artifacts, probes, unfinished uploads."""

import contextlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from truss_outbox.contract.errors import (
    AccessDeniedError,
    ConfigurationError,
    InvalidInputError,
    ManifestError,
    NotFoundError,
    StoreUnavailableError,
)
from truss_outbox.contract.keys import manifest_key
from truss_outbox.contract.root import Root

from ..bucket.bucket import Bucket, StoredObject
from ..bucket.records import read_manifest
from ..threads import in_threads

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, kw_only=True, slots=True)
class UnfinishedUpload:
    """`key` is relative to the root. `aborted`: its parts are gone now."""

    key: str
    initiated_at: datetime
    aborted: bool = False


class Uploads:
    """The multipart uploads below an `s3://` root. Nothing is sent before a method is called."""

    def __init__(self, client: "S3Client", root: Root) -> None:
        self._client = client
        self._bucket = root.bucket
        self._prefix = root.object_name("")

    def sweep(self, *, before: datetime, delete: bool) -> Iterator[UnfinishedUpload]:
        """Those begun before the time given, and with `delete` aborted. Raises StoreError."""
        with _translated():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            for page in pages:
                for upload in page.get("Uploads", []):
                    if upload["Initiated"] >= before:
                        continue
                    if delete:
                        self._abort(upload["Key"], upload["UploadId"])
                    yield UnfinishedUpload(
                        key=upload["Key"].removeprefix(self._prefix),
                        initiated_at=upload["Initiated"],
                        aborted=delete,
                    )

    def _abort(self, key: str, upload_id: str) -> None:
        with contextlib.suppress(self._client.exceptions.NoSuchUpload):  # it has ended since
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)


def open_uploads(address: str, *, endpoint_url: str | None, region: str | None) -> Uploads | None:
    """None where the store has no such thing: a directory, GCS. Credentials: AWS's own chain."""
    root = Root.parse(address)
    if root.scheme != "s3":
        return None
    import boto3  # noqa: PLC0415  # 0.3 seconds that only S3 need pay
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 4},
        s3={"addressing_style": "path" if endpoint_url else "auto"},
    )
    # S3-compatible stores take any region, but boto3 wants one to sign.
    fallback = "us-east-1" if endpoint_url else None
    try:
        # A session of its own: the default one keeps the first credentials it finds.
        client = boto3.Session().client(
            "s3", endpoint_url=endpoint_url, region_name=region or fallback, config=config
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError("root", f"cannot be opened: {type(error).__name__}") from error
    return Uploads(client, root)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        said = f"{error.operation_name} was refused: {code}"
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in {401, 403}:
            remedy = "; `outbox policy --for sweeper` prints what is needed"
            raise AccessDeniedError("multipart uploads", said + remedy) from error
        raise StoreUnavailableError("multipart uploads", said) from error
    except BotoCoreError as error:
        raise StoreUnavailableError("multipart uploads", type(error).__name__) from error


_ATTEMPT = re.compile(r"[0-9a-f]{8}\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Orphan:
    """Objects below `prefix` that belong to no result. `deleted`: they are gone now."""

    prefix: str
    keys: tuple[str, ...]
    size: int
    deleted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """Something that looks like an orphan and is left alone; `why` says what to do about it."""

    prefix: str
    why: str


def sweep_attempts(bucket: Bucket, *, before: datetime, delete: bool) -> Iterator[Orphan | Kept]:
    """Attempts below `artifacts/` that no manifest names, all of them older than `before`.

    An attempt under way has no manifest yet: `before` must lie further back than any execution
    may take. One listing, and one GET per key that has something old enough; memory holds one
    attempt at a time. The manifest is read anew right before an attempt is deleted. Raises
    StoreError; where a manifest may not be read, nothing is deleted.
    """
    sweeper = _Sweeper(bucket, before=before, delete=delete)
    # Neighbours in the listing, so that one attempt at a time is enough to hold.
    groups = itertools.groupby(bucket.objects("artifacts/"), key=lambda found: _place(found.key))
    found = ((prefix, list(objects)) for prefix, objects in groups)
    for answer in in_threads(sweeper.judge, found):
        if answer is not None:
            yield answer


def sweep_probes(bucket: Bucket, *, before: datetime, delete: bool) -> Iterator[Orphan]:
    """What models wrote to try the bucket out, and may not have been allowed to delete."""
    for probe in bucket.objects("probes/"):
        if probe.modified_at < before:
            if delete:
                bucket.delete(probe.key)
            yield Orphan(prefix=probe.key, keys=(probe.key,), size=probe.size, deleted=delete)


def owners(path: str) -> list[tuple[str, str]]:
    """Every (key, attempt) that an artifact's key may be of.

    Mostly one. An item, or a folder in an artifact's name, may look like an attempt too.
    """
    segments = path.split("/")[1:]
    return [
        ("/".join(segments[:place]), segments[place])
        for place in range(1, len(segments) - 1)
        if _ATTEMPT.match(segments[place])
    ]


class _Sweeper:
    def __init__(self, bucket: Bucket, *, before: datetime, delete: bool) -> None:
        self._bucket = bucket
        self._before = before
        self._delete = delete

    def judge(self, group: tuple[str, list[StoredObject]]) -> Orphan | Kept | None:
        """None: a result's, or too young to tell."""
        prefix, objects = group
        # One young object keeps all of its attempt: it may still be under way.
        if any(found.modified_at >= self._before for found in objects):
            return None
        if not owners(objects[0].key):
            return Kept(prefix=prefix, why="is not laid out as Outbox does it; look at it yourself")
        try:
            orphans = self._unnamed(objects)
            if self._delete and orphans:
                # A manifest may have come since: it saves its attempt.
                orphans = self._unnamed(orphans)
                self._delete_all(orphans)
        except ManifestError as error:
            return Kept(prefix=prefix, why=f"its manifest cannot be read: {error}")
        keys = tuple(found.key for found in orphans)
        size = sum(found.size for found in orphans)
        return Orphan(prefix=prefix, keys=keys, size=size, deleted=self._delete) if keys else None

    def _unnamed(self, objects: Sequence[StoredObject]) -> list[StoredObject]:
        pairs = {pair for found in objects for pair in owners(found.key)}
        named = {pair for pair in pairs if self._is_named(*pair)}
        return [found for found in objects if not named.intersection(owners(found.key))]

    def _delete_all(self, objects: Sequence[StoredObject]) -> None:
        for found in objects:
            with contextlib.suppress(NotFoundError):  # another sweep was here
                self._bucket.delete(found.key)

    def _is_named(self, key: str, attempt: str) -> bool:
        try:
            return read_manifest(self._bucket, manifest_key(key))[0].attempt == attempt
        except NotFoundError:
            return False


def _place(path: str) -> str:
    """The prefix that is judged as one: up to the first segment that may be an attempt."""
    candidates = owners(path)
    if not candidates:
        return path
    key, attempt = candidates[0]
    return f"artifacts/{key}/{attempt}/"


LEAST_GRACE = timedelta(hours=2)
"""A run may take an hour on Baseten, and its result may wait for the bucket after that."""


def sweep(
    bucket: Bucket, uploads: Uploads | None, *, grace: timedelta, delete: bool, now: datetime
) -> Iterator[Orphan | Kept | UnfinishedUpload]:
    """Everything older than `grace` that no result needs; with `delete` it goes.

    `inputs/` is left alone: no listing tells which of them a queued request still names.
    Raises InvalidInputError for a grace that would take attempts under way, and StoreError.
    """
    if delete and grace < LEAST_GRACE:
        raise InvalidInputError(
            "--older-than", "must be 2h or more to delete: younger attempts may be under way"
        )
    before = now - grace
    yield from sweep_attempts(bucket, before=before, delete=delete)
    yield from sweep_probes(bucket, before=before, delete=delete)
    if uploads is not None:
        yield from uploads.sweep(before=before, delete=delete)
