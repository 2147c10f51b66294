"""Finding, and deleting, what no manifest names: left behind by crashes and lost races."""

import contextlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from truss_outbox.contract.errors import InvalidInputError, ManifestError, NotFoundError
from truss_outbox.contract.keys import manifest_key

from ..bucket.bucket import Bucket, StoredObject
from ..bucket.records import read_manifest
from ..threads import in_threads
from .unfinished_uploads import UnfinishedUpload, Uploads

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
