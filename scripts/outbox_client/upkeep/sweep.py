"""Finding, and deleting, what no result needs: orphaned artifacts, probes, unfinished uploads."""

import contextlib
import functools
import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
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

from ..bucket.bucket import DELETED_AT_ONCE, Bucket
from ..bucket.listed import StoredObject
from ..bucket.open_bucket import Connection
from ..bucket.records import MANIFESTS, listed_artifacts, listed_probes, owners, read_manifest

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
    may take. Two listings, and one GET for each old attempt that is not settled by them; memory
    holds two attempts at a time, and what a thousand deletions need. The manifest is read anew
    right before an attempt is deleted. Raises StoreError, when all that was deleted until then is
    told; where a manifest may not be read, nothing is deleted.
    """
    sweeper = _Sweeper(bucket, delete=delete)
    # Neighbours in the listing, so that few attempts at a time are enough to hold.
    groups = itertools.groupby(listed_artifacts(bucket), key=lambda found: _place(found.key))
    attempts = (StoredAttempt(prefix, list(objects)) for prefix, objects in groups)
    with contextlib.closing(_Commits(bucket)) as commits:
        orphans = sweeper.orphans(commits.open(attempts, before))
        if delete:
            # A manifest may have come since: it saves its attempt.
            batches = (list(sweeper.orphans(some)) for some in _batches(orphans))
        else:
            batches = ([one] for one in orphans)
        yield from sweeper.swept(batches)


def sweep_probes(bucket: Bucket, *, before: datetime, delete: bool) -> Iterator[Swept]:
    """What models wrote to try the bucket out, and may not have been allowed to delete."""
    old = (
        StoredAttempt(probe.key, [probe])
        for probe in listed_probes(bucket)
        if probe.modified_at < before
    )
    yield from _Sweeper(bucket, delete=delete).swept(_batches(old))


def _batches(attempts: Iterator["StoredAttempt"]) -> Iterator[list["StoredAttempt"]]:
    """As many together as one call deletes."""
    some = list[StoredAttempt]()
    for attempt in attempts:
        some.append(attempt)
        if sum(len(one.objects) for one in some) >= DELETED_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


@dataclass(frozen=True)
class StoredAttempt:
    """What lies below the prefix of one attempt."""

    prefix: str
    objects: list[StoredObject]

    @functools.cached_property
    def keys(self) -> set[str]:
        """That it may be an attempt of; mostly one."""
        return {key for found in self.objects for key, _ in owners(found.key)}

    @property
    def last_modified(self) -> datetime:
        return max(found.modified_at for found in self.objects)


_AT_ONCE = timedelta(seconds=2)
"""So soon after the last of its artifacts a manifest is written, by a clock of whole seconds."""


def _are_near(one: StoredAttempt, other: StoredAttempt) -> bool:
    """Whether there may be two attempts of one key, these or such as lie beside them."""
    pairs = itertools.product(one.keys, other.keys)
    return any(f"{a}/".startswith(f"{b}/") or f"{b}/".startswith(f"{a}/") for a, b in pairs)


class _Commits:
    """When which manifest was written, by one listing, in a temporary file of SQLite's."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def open(self, attempts: Iterable[StoredAttempt], before: datetime) -> Iterator[StoredAttempt]:
        """Those older than `before` whose manifests must be read, to see what they name.

        An attempt is settled without, where it is the only one of its key, and the manifest came
        right after the last of its artifacts. Then another attempt would have to be the manifest's
        that stored no artifact at all, and committed in the very moment in which this one ended:
        what it left would stay.
        """
        last = end = StoredAttempt("", [])
        for attempt, following in itertools.pairwise(itertools.chain(attempts, [end])):
            is_alone = not (_are_near(attempt, last) or _are_near(attempt, following))
            last = attempt
            # One young object keeps all of its attempt: it may still be under way.
            if attempt.last_modified < before and not (is_alone and self._settles(attempt)):
                yield attempt

    def _settles(self, attempt: StoredAttempt) -> bool:
        if len(attempt.keys) != 1:
            return False
        (key,) = attempt.keys
        committed_at = self._committed_at(manifest_key(key))
        waited = None if committed_at is None else committed_at - attempt.last_modified
        return waited is not None and timedelta(0) <= waited < _AT_ONCE

    def _committed_at(self, path: str) -> datetime | None:
        if self._connection is None:
            self._connection = self._listed()
        query = "SELECT seconds FROM manifests WHERE path = ?"
        found = self._connection.execute(query, (path,)).fetchone()
        return None if found is None else datetime.fromtimestamp(found[0], UTC)

    def _listed(self) -> sqlite3.Connection:
        connection = sqlite3.connect("", isolation_level=None)
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("CREATE TABLE manifests (path TEXT PRIMARY KEY, seconds) WITHOUT ROWID")
        for page in self._bucket.pages(MANIFESTS, after=None):
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT OR REPLACE INTO manifests VALUES (?, ?)",
                zip(page.keys, (time.timestamp() for time, _ in page.others), strict=True),
            )
            connection.execute("COMMIT")
        return connection


class _Sweeper:
    """Puts what it finds, and what becomes of it, into a queue."""

    def __init__(self, bucket: Bucket, *, delete: bool) -> None:
        self._bucket = bucket
        self._delete = delete
        self._told: SimpleQueue[Swept] = SimpleQueue()

    def told(self) -> Iterator[Swept]:
        """What was found since the last call."""
        while not self._told.empty():
            yield self._told.get()

    def swept(self, batches: Iterable[Sequence[StoredAttempt]]) -> Iterator[Swept]:
        """All are told; with `delete`, those that are gone. Raises StoreError, when they are."""
        try:
            for orphans in batches:
                self._take(orphans)
                yield from self.told()
        except (Exception, KeyboardInterrupt):
            # Those under way have ended by now.
            yield from self.told()
            raise
        yield from self.told()

    def orphans(self, attempts: Iterable[StoredAttempt]) -> Iterator[StoredAttempt]:
        """What no manifest names, as it is read now; attempts come in any order."""
        found = self._bucket.in_threads(self._unnamed, attempts)
        return (attempt for attempt in found if attempt.objects)

    def _take(self, orphans: Sequence[StoredAttempt]) -> None:
        gone = {found.key for one in orphans for found in one.objects}
        if self._delete:
            keys, gone = gone, set()
            try:
                self._bucket.delete_many(sorted(keys), partial(self._note, gone))
            finally:
                self._tell(orphans, gone)
        else:
            self._tell(orphans, gone)

    def _note(self, gone: set[str], key: str, error: StoreError | None) -> None:
        if error is None:
            gone.add(key)
        else:
            why = _HELD if isinstance(error, AccessDeniedError) else str(error)
            self._told.put(Undeleted(key=key, why=why.removeprefix(f"{key}: ")))

    def _tell(self, orphans: Iterable[StoredAttempt], gone: set[str]) -> None:
        for one in orphans:
            if objects := [found for found in one.objects if found.key in gone]:
                keys, size = tuple(found.key for found in objects), sum(o.size for o in objects)
                self._told.put(
                    Orphan(prefix=one.prefix, keys=keys, size=size, deleted=self._delete)
                )

    def _unnamed(self, attempt: StoredAttempt) -> StoredAttempt:
        pairs = {pair for found in attempt.objects for pair in owners(found.key)}
        try:
            named = {pair for pair in pairs if self._is_named(*pair)}
        except ManifestError as error:
            why = f"its manifest cannot be read: {error}"
            self._told.put(Kept(prefix=attempt.prefix, why=why))
            return StoredAttempt(attempt.prefix, [])
        left = [found for found in attempt.objects if not named.intersection(owners(found.key))]
        return StoredAttempt(attempt.prefix, left)

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
