"""A job's results: which of them go, and then their manifests, artifacts and failure records.

What goes is decided once, by reading manifests, and written down as tombstones. All that follows
goes by these: so the next deletion of the job finishes one that was killed, whatever it selects.
"""

import itertools
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial

from truss_outbox.contract.errors import ManifestError, NotFoundError
from truss_outbox.contract.keys import key_of_failure, key_of_manifest, manifest_key
from truss_outbox.contract.manifest import Manifest

from ..bucket.bucket import Bucket
from ..bucket.listed import StoredObject
from ..bucket.naming import Naming
from ..bucket.records import (
    listed_artifacts,
    listed_manifests,
    owners,
    read_manifest,
    reading_listed,
    stored_failures,
)
from ..bucket.tombstones import Tombstones, digest, read_tombstones, write_tombstone
from ..threads import Task
from ..upkeep.found import Orphan, Undeleted
from ..upkeep.sweep import LEAST_GRACE, sweep_attempts
from .deletion import Deletion, Remover, Scope, in_batches

_AT_ONCE = 1_000
_OF_A_SECOND = timedelta(seconds=1)
"""Listings date objects by whole seconds."""


class DeletedResults:
    """The results of one job that are deleted. All methods raise StoreError."""

    def __init__(
        self,
        bucket: Bucket,
        naming: Naming,
        selection: Scope,
        *,
        deletion: Deletion,
        now: datetime,
    ) -> None:
        self._bucket = bucket
        self._job = deletion.job
        self._selection = selection
        self._deletion = deletion
        self._remover = Remover(bucket=bucket, deletion=deletion)
        self._template = naming.template
        self._prefix = naming.prefix(self._job)
        # Where a prefix does not name the job, what lies below it is others' too.
        has_own_prefix = self._prefix != naming.prefix(f"{self._job}.other")
        self._takes_all = selection.is_whole_job and has_own_prefix
        self._now = now
        # Digests of keys that other jobs have results of; and results, by digest and attempt, that
        # are there all the same: made anew, or held by the bucket.
        self._others = set[str]()
        self._alive = set[tuple[str, str]]()
        self._unfinished = 0

    @property
    def needs_keys(self) -> bool:
        """Whether items without a result have to be named, by `decide`."""
        return not self._takes_all

    def decide(self, keys: Iterable[str]) -> None:
        """Write down what goes: the selected results, and these keys, whatever they have."""
        pairs = list[tuple[str, str]]()
        for some in in_batches(self._selected(), _AT_ONCE):
            read = self._bucket.in_steps(self._reading(found) for found in some)
            chosen = [(found, manifest) for found, manifest in read if manifest is not None]
            pairs += self._bury([(one.key, one.attempt) for _, one in chosen])
            # Right after they are written down: what is not deleted now is by `bury_dead`.
            count, _ = self._remover.remove(found for found, _ in chosen)
            self._deletion.results += count
        named = (key for key in keys if digest(key) not in self._others)
        while some_keys := list(itertools.islice(named, _AT_ONCE)):
            pairs += self._bury([(key, "") for key in some_keys])
        known = read_tombstones(self._bucket, self._job)
        self._deletion.tombstones = known.with_pairs(pairs, at=self._now + _OF_A_SECOND)

    def remove_left(self) -> None:
        """What an earlier deletion left of the manifests it wrote down, and what a writer whose
        answer was lost has created once more since."""
        if not self._deletion.is_deleted:
            return
        dead = list[StoredObject]()
        for found, manifest in self._still_there():
            pair = digest(manifest.key), manifest.attempt
            if self._dead.has(manifest.key, manifest.attempt):
                self._alive.add(pair)
                dead.append(found)
            elif manifest.job == self._job:
                self._alive.add(pair)
            else:
                self._others.add(pair[0])
        kept = {one.key for one in self._deletion.undeleted}
        again = [found for found in dead if found.key not in kept]
        count, _ = self._remover.remove(again)
        self._deletion.results += count
        held = {one.key for one in self._deletion.undeleted}
        gone = {digest(key_of_manifest(found.key)) for found in again if found.key not in held}
        self._alive = {pair for pair in self._alive if pair[0] not in gone}

    def remove_artifacts(self) -> None:
        """Of results that do not count any more; and what no manifest names, old enough."""
        found = filter(self._is_of_dead, listed_artifacts(self._bucket, self._prefix))
        self._count_artifacts(*self._remover.remove(found))
        if self._takes_all:
            before, delete = self._now - LEAST_GRACE, self._deletion.is_deleted
            for one in sweep_attempts(
                self._bucket, before=before, delete=delete, prefix=self._prefix
            ):
                if isinstance(one, Orphan):
                    self._count_artifacts(len(one.keys), one.size)
                    self._unfinished -= len(one.keys)
                elif isinstance(one, Undeleted):
                    self._deletion.undeleted.append(one)
        if self._unfinished > 0:
            self._deletion.notes.append(
                f"{self._unfinished:,} object(s) of attempts without a manifest are left, because"
                " they may be under way: `outbox sweep` takes them in two hours"
            )

    def remove_failures(self) -> None:
        found = filter(self._is_failure_of_dead, stored_failures(self._bucket, self._prefix))
        count, _ = self._remover.remove(found)
        self._deletion.failures += count

    @property
    def _dead(self) -> Tombstones:
        return self._deletion.tombstones

    def _selected(self) -> Iterator[StoredObject]:
        """By their keys, which mostly tell the item: what is left out costs no call."""
        selection = self._selection
        is_wanted = partial(self._template.may_be_of, takes_item=selection.takes_item)
        return listed_manifests(
            self._bucket, self._prefix, is_wanted=is_wanted if selection.items else None
        )

    def _reading(self, found: StoredObject) -> Task[tuple[StoredObject, Manifest | None]]:
        """None for what is left alone."""
        manifest = yield from reading_listed(self._bucket, found)
        if manifest is None:
            return found, None
        if manifest.job != self._job:
            self._others.add(digest(manifest.key))
            return found, None
        takes = self._selection.takes(
            manifest.item, manifest.labels, found.modified_at, now=self._now
        )
        return found, manifest if takes else None

    def _bury(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """The pairs as tombstones have them, which are in the bucket where it is no dry run."""
        if pairs and self._deletion.is_deleted:
            write_tombstone(self._bucket, self._job, pairs)
        return [(digest(key), attempt) for key, attempt in pairs]

    def _still_there(self) -> Iterator[tuple[StoredObject, Manifest]]:
        """The manifests under keys that were written down."""
        listed = listed_manifests(self._bucket, self._prefix)
        under = (one for one in listed if self._dead.deleted_at(key_of_manifest(one.key)))
        read = self._bucket.in_steps(map(self._with_manifest, under))
        return ((found, manifest) for found, manifest in read if manifest is not None)

    def _with_manifest(self, found: StoredObject) -> Task[tuple[StoredObject, Manifest | None]]:
        return found, (yield from reading_listed(self._bucket, found))

    def _is_of_dead(self, found: StoredObject) -> bool:
        pairs = owners(found.key)
        dead = [pair for pair in pairs if self._is_dead(*pair)]
        if not dead:
            self._unfinished += self._takes_all and not self._has_result(pairs)
            return False
        # An item, or a folder in an artifact's name, may look like an attempt too.
        others = [pair for pair in pairs if pair not in dead]
        if not others:
            return True
        is_old = found.modified_at < self._now - LEAST_GRACE
        return is_old and not any(self._is_named(*pair) for pair in others)

    def _is_dead(self, key: str, attempt: str) -> bool:
        return self._dead.has(key, attempt) and (digest(key), attempt) not in self._alive

    def _has_result(self, pairs: Iterable[tuple[str, str]]) -> bool:
        return any(
            (digest(key), attempt) in self._alive or digest(key) in self._others
            for key, attempt in pairs
        )

    def _is_named(self, key: str, attempt: str) -> bool:
        try:
            return read_manifest(self._bucket, manifest_key(key))[0].attempt == attempt
        except NotFoundError:
            return False
        except ManifestError:
            return True  # nobody knows what it names

    def _is_failure_of_dead(self, found: StoredObject) -> bool:
        key = key_of_failure(found.key)
        if digest(key) in self._others:
            return False
        deleted_at = self._dead.deleted_at(key)
        return self._takes_all or (deleted_at is not None and found.modified_at <= deleted_at)

    def _count_artifacts(self, count: int, size: int) -> None:
        self._deletion.artifacts += count
        self._deletion.artifacts_bytes += size
