"""Finding, and deleting, what no result needs: orphaned artifacts, probes, unfinished uploads."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Unpack

from truss_outbox.contract.errors import (
    AccessDeniedError,
    InvalidInputError,
    ManifestError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
)
from truss_outbox.contract.keys import manifest_key
from truss_outbox.contract.root import Root
from truss_outbox.stores import S3Options
from truss_outbox.stores.network import Place

from ..bucket.bucket import Bucket, StoredObject
from ..bucket.open_bucket import Connection
from ..bucket.records import listed_artifacts, listed_probes, owners, read_manifest
from ..threads import in_threads

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ListMultipartUploadsOutputTypeDef

T = TypeVar("T")


class Patiently(Protocol):
    def __call__(self, operation: Callable[[], T]) -> T:
        """The operation, repeated while it raises StoreUnavailableError."""


def _once(operation: Callable[[], T]) -> T:
    return operation()


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Undeleted:
    """An orphan, or an unfinished upload, that the bucket does not let go."""

    key: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class UnfinishedUpload:
    """`key` is relative to the root. `aborted`: its parts are gone now."""

    key: str
    initiated_at: datetime
    aborted: bool = False


Swept = Orphan | Kept | Undeleted | UnfinishedUpload

_UPLOADS = "multipart uploads"
_NOT_LISTED = "this server does not list them: a lifecycle rule, or its own tools, must end them"
_HELD = "the bucket does not allow it: it is locked or retained, or the right to delete is missing"
_MISSING_RIGHT = "`outbox policy --for sweeper` prints what is needed"
_UNSUPPORTED = frozenset({404, 405, 501})


class Uploads:
    """The multipart uploads below an `s3://` root. Nothing is sent before a method is called."""

    def __init__(self, client: "S3Client", root: Root) -> None:
        from truss_outbox.stores.s3.errors import translated  # noqa: PLC0415  # loaded by now

        self._client = client
        asked = Place(of="the bucket", url=client.meta.endpoint_url)
        self._translated = partial(translated, place=asked)
        self._bucket = root.bucket
        self._prefix = root.object_name("")

    def sweep(
        self, *, before: datetime, delete: bool, patiently: Patiently = _once
    ) -> Iterator[Swept]:
        """Those begun before the time given, and with `delete` aborted. Raises StoreError."""
        try:
            for page in self._pages(patiently):
                for upload in page.get("Uploads", []):
                    if upload["Initiated"] < before:
                        key = upload["Key"].removeprefix(self._prefix)
                        begun = UnfinishedUpload(key=key, initiated_at=upload["Initiated"])
                        abort = partial(self._aborted, begun, upload["UploadId"])
                        yield patiently(abort) if delete else begun
        except AccessDeniedError as error:
            error.add_note(_MISSING_RIGHT)
            raise
        except StoreError as error:
            if not _is_unsupported(error.__cause__):
                raise
            yield Kept(prefix=_UPLOADS, why=_NOT_LISTED)

    def _pages(self, patiently: Patiently) -> Iterator["ListMultipartUploadsOutputTypeDef"]:
        markers: dict[str, Any] = {}
        while True:
            page = patiently(partial(self._page, markers))
            yield page
            if not page.get("IsTruncated"):
                return
            markers = {
                "KeyMarker": page["NextKeyMarker"],
                "UploadIdMarker": page["NextUploadIdMarker"],
            }

    def _page(self, markers: dict[str, Any]) -> "ListMultipartUploadsOutputTypeDef":
        with self._translated(_UPLOADS):
            return self._client.list_multipart_uploads(
                Bucket=self._bucket, Prefix=self._prefix, **markers
            )

    def _aborted(self, upload: UnfinishedUpload, upload_id: str) -> Swept:
        try:
            with self._translated(upload.key):
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=self._prefix + upload.key, UploadId=upload_id
                )
        except StoreUnavailableError:
            raise
        except StoreError as error:
            if not isinstance(error.__cause__, self._client.exceptions.NoSuchUpload):
                return Undeleted(key=upload.key, why=str(error))
        # Or it has ended since.
        return replace(upload, aborted=True)


def _is_unsupported(error: BaseException | None) -> bool:
    """Of a bucket that is there: it has been listed by now."""
    answer = getattr(error, "response", {}).get("ResponseMetadata", {})
    return answer.get("HTTPStatusCode") in _UNSUPPORTED


def open_uploads(address: str, **connection: Unpack[Connection]) -> Uploads | None:
    """None where the store has no such thing: a directory, GCS. By the client that the model has.

    Raises ConfigurationError.
    """
    root = Root.parse(address)
    if root.scheme != "s3":
        return None
    from truss_outbox.stores.s3.client import connect  # noqa: PLC0415  # 0.2 seconds

    return Uploads(connect(S3Options(**connection)), root)


def sweep_attempts(bucket: Bucket, *, before: datetime, delete: bool) -> Iterator[Swept]:
    """Attempts below `artifacts/` that no manifest names, all of them older than `before`.

    An attempt under way has no manifest yet: `before` must lie further back than any execution
    may take. One listing, and one GET per key that has something old enough; memory holds one
    attempt at a time. The manifest is read anew right before an attempt is deleted. Raises
    StoreError, when all that was deleted until then is told; where a manifest may not be read,
    nothing is deleted.
    """
    sweeper = _Sweeper(bucket, before=before, delete=delete)
    # Neighbours in the listing, so that one attempt at a time is enough to hold.
    groups = itertools.groupby(listed_artifacts(bucket), key=lambda found: _place(found.key))
    found = ((prefix, list(objects)) for prefix, objects in groups)
    try:
        for _ in in_threads(sweeper.judge, found):
            yield from sweeper.told()
    except (Exception, KeyboardInterrupt):
        # Those under way have ended by now.
        yield from sweeper.told()
        raise
    yield from sweeper.told()


def sweep_probes(bucket: Bucket, *, before: datetime, delete: bool) -> Iterator[Swept]:
    """What models wrote to try the bucket out, and may not have been allowed to delete."""
    sweeper = _Sweeper(bucket, before=before, delete=delete)
    for probe in listed_probes(bucket):
        if probe.modified_at < before:
            sweeper.take(probe.key, [probe])
            yield from sweeper.told()


class _Sweeper:
    """Puts what it finds, and what becomes of it, into a queue; several threads may use it."""

    def __init__(self, bucket: Bucket, *, before: datetime, delete: bool) -> None:
        self._bucket = bucket
        self._before = before
        self._delete = delete
        self._told: SimpleQueue[Swept] = SimpleQueue()

    def told(self) -> Iterator[Swept]:
        """What was found since the last call."""
        while not self._told.empty():
            yield self._told.get()

    def judge(self, group: tuple[str, list[StoredObject]]) -> None:
        prefix, objects = group
        # One young object keeps all of its attempt: it may still be under way.
        if any(found.modified_at >= self._before for found in objects):
            return
        try:
            orphans = self._unnamed(objects)
            if self._delete and orphans:
                # A manifest may have come since: it saves its attempt.
                orphans = self._unnamed(orphans)
        except ManifestError as error:
            self._told.put(Kept(prefix=prefix, why=f"its manifest cannot be read: {error}"))
            return
        self.take(prefix, orphans)

    def take(self, prefix: str, orphans: Sequence[StoredObject]) -> None:
        """Tell of them; with `delete`, when they are gone. Raises StoreUnavailableError."""
        gone = list[StoredObject]()
        try:
            for found in orphans:
                if not self._delete or self._is_deleted(found.key):
                    gone.append(found)
        finally:
            if gone:
                keys, size = tuple(one.key for one in gone), sum(one.size for one in gone)
                self._told.put(Orphan(prefix=prefix, keys=keys, size=size, deleted=self._delete))

    def _is_deleted(self, key: str) -> bool:
        try:
            self._bucket.delete(key)
        except NotFoundError:  # another sweep was here
            return True
        except StoreUnavailableError:
            raise
        except AccessDeniedError:
            self._told.put(Undeleted(key=key, why=_HELD))
            return False
        except StoreError as error:
            self._told.put(Undeleted(key=key, why=str(error).removeprefix(f"{key}: ")))
            return False
        return True

    def _unnamed(self, objects: Sequence[StoredObject]) -> list[StoredObject]:
        pairs = {pair for found in objects for pair in owners(found.key)}
        named = {pair for pair in pairs if self._is_named(*pair)}
        return [found for found in objects if not named.intersection(owners(found.key))]

    def _is_named(self, key: str, attempt: str) -> bool:
        try:
            return read_manifest(self._bucket, manifest_key(key))[0].attempt == attempt
        except NotFoundError:
            return False


def _place(path: str) -> str:
    """The prefix that is judged as one: up to the first segment that may be an attempt."""
    key, attempt = owners(path)[0]
    return f"artifacts/{key}/{attempt}/"


LEAST_GRACE = timedelta(hours=2)
"""A run may take an hour on Baseten, and its result may wait for the bucket after that."""


def sweep(
    bucket: Bucket,
    uploads: Uploads | None,
    *,
    grace: timedelta,
    delete: bool,
    now: datetime | None = None,
) -> Iterator[Swept]:
    """Everything older than `grace` that no result needs; with `delete` it goes.

    `now` is by the bucket's clock, which is asked where it is None: this machine's may be wrong.
    `inputs/` is left alone: no listing tells which of them a queued request still names. Raises
    InvalidInputError for a grace that would take attempts under way, and StoreError, also where
    the bucket does not tell its time.
    """
    if delete and grace < LEAST_GRACE:
        raise InvalidInputError(
            "--older-than", "must be 2h or more to delete: younger attempts may be under way"
        )
    before = (now or bucket.time()) - grace
    yield from sweep_attempts(bucket, before=before, delete=delete)
    yield from sweep_probes(bucket, before=before, delete=delete)
    if uploads is not None:
        yield from uploads.sweep(before=before, delete=delete, patiently=bucket.patiently)
