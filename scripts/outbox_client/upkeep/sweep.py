"""Finding, and deleting, what no result needs: orphaned artifacts, probes, unfinished uploads."""

import contextlib
import functools
import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import SimpleQueue

from truss_outbox.contract.errors import (
    AccessDeniedError,
    InvalidInputError,
    ManifestError,
    NotFoundError,
    StoreError,
)
from truss_outbox.contract.keys import manifest_key

from ..bucket.bucket import Bucket
from ..bucket.listed import StoredObject
from ..bucket.native import DELETED_AT_ONCE
from ..bucket.records import MANIFESTS, listed_artifacts, listed_probes, owners, read_manifest
from .found import Kept, Orphan, Swept, Undeleted
from .uploads import Uploads

HELD = "the bucket does not allow it: it is locked or retained, or the right to delete is missing"


def sweep_attempts(
    bucket: Bucket, *, before: datetime, delete: bool, prefix: str = ""
) -> Iterator[Swept]:
    """Attempts below `artifacts/<prefix>` that no manifest names, all older than `before`.

    An attempt under way has no manifest yet: `before` must lie further back than any execution
    may take. Two listings, and one GET for each old attempt that is not settled by them; memory
    holds two attempts at a time, and what a thousand deletions need. The manifest is read anew
    right before an attempt is deleted. Raises StoreError, when all that was deleted until then is
    told; where a manifest may not be read, nothing is deleted.
    """
    sweeper = _Sweeper(bucket, delete=delete)
    # Neighbours in the listing, so that few attempts at a time are enough to hold.
    listed = listed_artifacts(bucket, prefix)
    groups = itertools.groupby(listed, key=lambda found: _place(found.key))
    attempts = (StoredAttempt(prefix, list(objects)) for prefix, objects in groups)
    with contextlib.closing(_Commits(bucket, prefix)) as commits:
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

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix
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
        for page in self._bucket.pages(MANIFESTS + self._prefix, after=None):
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT OR REPLACE INTO manifests VALUES (?, ?)",
                ((found.key, found.modified_at.timestamp()) for found in page),
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
            why = HELD if isinstance(error, AccessDeniedError) else str(error)
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
        yield from uploads.sweep(before=before, delete=delete, patiently=bucket.calls.patiently)
