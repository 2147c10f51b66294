"""One result at a time: from its manifest's key to verified files on this machine."""

import hashlib
import os
import stat
from collections.abc import Callable, Container, Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from truss_outbox.contract.errors import (
    KeyConflictError,
    ManifestError,
    NotFoundError,
    OutboxError,
)
from truss_outbox.contract.fingerprint import fingerprint
from truss_outbox.contract.keys import artifact_key, is_key, key_of_manifest
from truss_outbox.contract.manifest import Artifact, Manifest

from ..bucket.bucket import Bucket
from ..bucket.listed import StoredObject
from ..bucket.records import artifacts_of, read_record
from ..errors import TargetError, UnsafePathError
from ..local_files import Disk, Folders, local_files
from ..threads import Call, Task
from .download import ArtifactDownloader, Download
from .indexed import IndexedManifests
from .installation import Installation, Last, modified_ns
from .layout import MANIFEST, Selection, TakenPaths
from .places import Places, PlacesUnderWay

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """One result: its key, where its files are, how many came anew, or what is wrong with it."""

    item: str
    key: str
    place: str
    files: int = 0
    downloaded: int = 0
    downloaded_bytes: int = 0
    code: str | None = None
    problem: str | None = None
    error: OutboxError | None = field(default=None, compare=False, repr=False)
    """While the fetch lasts."""

    @property
    def folder(self) -> Path:
        return Path(self.place)


Wanted = tuple[StoredObject, str | None]
"""A manifest, and the digest of the input that its result should be of, where it is known."""

Brought = tuple[str, Fetched | None]
"""A manifest's path, and its result; None for a manifest of another job, one that was not asked
for, or a foreign one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetcher:
    """Brings results of a job below `to`. Its tasks are for `in_steps`.

    `is_new`: nothing was below `to`. `is_listed`: the manifests come from a listing, and one that
    cannot be read is foreign.
    """

    job: str
    to: Path
    is_new: bool
    bucket: Bucket
    downloader: ArtifactDownloader
    folders: Folders
    disk: Disk
    prefix: str
    is_listed: bool
    selection: Selection
    places: Places
    under_way: PlacesUnderWay
    indexed: IndexedManifests
    taken_paths: TakenPaths | None

    def fetch(self, wanted: Wanted) -> Task[Brought]:
        """Raises TargetError, which the next result would meet too."""
        found, digest = wanted
        return found.key, (yield from self._fetch(found, digest))

    def _fetch(self, found: StoredObject, digest: str | None) -> Task[Fetched | None]:
        key = key_of_manifest(found.key)
        # The manifest names the item; until it is read, the end of the key does.
        item = below = key.removeprefix(self.prefix)
        try:
            if not is_key(key):
                raise UnsafePathError("not a key that Outbox makes: it has no place here")
            if not self.selection.may_take(key, self.places.template):
                return None
            there = yield from self._here(partial(self._read_there, found, below))
            read = there or (yield from self._read(found))
            if read is None:
                return None
            manifest, data = read
            if manifest.job != self.job or not self.selection.takes_item(manifest.item):
                return None
            item = manifest.item
            _check_input(manifest, digest)
            artifacts = yield from self._artifacts(manifest)
            if there:
                below = self.places.folder_of_key(below) or below
            else:
                placed = partial(self._place, manifest, data, artifacts, below)
                below = yield from self._here(placed)
            last = partial(
                Last, data=data, modified_ns=_needed_date(found), was_there=there is not None
            )
            installation = self._installation(manifest, artifacts, below, last=last)
            yield from self._here(partial(installation.make_folders, self.folders))
            yield partial(installation.bring, self.downloader)
            yield from self._here(installation.end)
        except TargetError:
            raise
        except OutboxError as error:
            wrong = Fetched(
                item=item,
                key=key,
                place=f"{self.to}/{below}",
                code=error.code,
                problem=str(error),
                error=error,
            )
            return (yield from self._unless_gone(wrong, found))
        finally:
            self.under_way.give_back(below, key=key)
        return Fetched(
            item=item,
            key=key,
            place=f"{self.to}/{below}" if self.selection.layout.by_item else str(self.to),
            files=len(installation.downloads),
            downloaded=len(installation.brought),
            downloaded_bytes=sum(download.artifact.size for download in installation.brought),
        )

    def _here(self, call: Callable[[], T]) -> Generator[Call, Any, T]:
        """What reads and writes files: in a thread only where the disk is slow.

        Elsewhere it is done sooner than a thread takes it up.
        """
        if self.disk.is_slow:
            found: T = yield call
            return found
        return self.disk.timed(call)

    def _read_there(self, found: StoredObject, below: str) -> tuple[Manifest, bytes] | None:
        """A manifest that an earlier fetch has brought, and that the listing shows to be the same.

        By its tag, which is mostly an MD5; else by its size and date: a manifest is created once,
        so that another one has another date.
        """
        if self.is_new or not self.selection.layout.by_item:
            return None
        place = self.places.folder_of_key(below)
        if place is None:
            return None
        path = f"{self.to}/{place}/{MANIFEST}"
        try:
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode) or status.st_size != found.size:
                return None
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # a Path costs as much
                data = file.read()
            if md5 := found.md5:
                is_same = md5 == hashlib.md5(data, usedforsecurity=False).hexdigest()
            else:
                is_same = status.st_mtime_ns == modified_ns(found)
            return (Manifest.at(found.key, data), data) if is_same else None
        except (OSError, ManifestError):
            return None

    def _place(self, manifest: Manifest, data: bytes, names: Container[str], below: str) -> str:
        """The result's folder below `to`, which is free and taken.

        Raises UnsafePathError, LocalFileError.
        """
        if not self.selection.layout.by_item:
            return below
        with local_files:
            place = self.places.folder(manifest, below=below)
            self.under_way.take(place, key=manifest.key)
            try:
                self.places.check_free(place, manifest, data, names=names)
            except OutboxError:
                self.under_way.give_back(place, key=manifest.key)
                raise
        return place

    def _read(self, found: StoredObject) -> Task[tuple[Manifest, bytes] | None]:
        """None for what is foreign to the bucket. Raises ManifestError, StoreError."""
        if (read := self.indexed.find(found)) is not None:
            return read
        path = found.key
        try:
            data: bytes = yield partial(read_record, self.bucket, path)
            return Manifest.at(path, data), data
        except (ManifestError, NotFoundError) as error:
            if not self.is_listed:
                raise
            self.bucket.foreign.add(path, error)
            return None

    def _unless_gone(self, wrong: Fetched, found: StoredObject) -> Task[Fetched | None]:
        """None for a result that was deleted meanwhile: manifests go before artifacts, and no file
        of it has its name yet."""
        if self.is_listed and isinstance(wrong.error, NotFoundError):
            is_there: bool = yield partial(self.bucket.exists, found.key)
            return wrong if is_there else None
        return wrong

    def _artifacts(self, manifest: Manifest) -> Task[dict[str, Artifact]]:
        """By name. Raises CorruptArtifactError, ManifestError, StoreError, LocalFileError."""

        def by_name() -> dict[str, Artifact]:
            return {one.name: one for one in artifacts_of(self.bucket, manifest)}

        if manifest.artifact_listing is None:
            return by_name()
        listed: dict[str, Artifact] = yield by_name
        return listed

    def _installation(
        self,
        manifest: Manifest,
        artifacts: Mapping[str, Artifact],
        below: str,
        *,
        last: Callable[..., Last],
    ) -> Installation:
        """`last` is given the path where the manifest goes, if it is wanted."""
        layout, places = self.selection.layout, {}
        for name in filter(self.selection.takes_file, (*artifacts, MANIFEST)):
            place = layout.path(manifest, name, below=below)
            if place is not None:
                places[name] = place
        if not layout.by_item:
            # Below a folder of their own, the manifest's names are apart by the contract.
            _check_apart(places)
        if self.taken_paths is not None:
            for place in [below] if layout.by_item else places.values():
                self.taken_paths.take(place, key=manifest.key)
        own = places.pop(MANIFEST, None)
        return Installation(
            downloads=[
                Download(
                    artifact=artifacts[name],
                    key=artifact_key(manifest.key, manifest.attempt, name),
                    target=f"{self.to}/{place}",
                )
                for name, place in places.items()
            ],
            last=None if own is None else last(path=f"{self.to}/{own}"),
        )


def _check_input(manifest: Manifest, digest: str | None) -> None:
    """Raises KeyConflictError where the result is known to be of another input."""
    if digest is None:
        return
    if fingerprint(digest, model_version=manifest.model.version) != manifest.fingerprint:
        raise KeyConflictError(manifest.key, request_id=manifest.request_id)


def _needed_date(found: StoredObject) -> int | None:
    """By which the next fetch knows the manifest; mostly its MD5 does."""
    return None if found.md5 else modified_ns(found)


def _check_apart(places: Mapping[str, str]) -> None:
    """Raises ManifestError where a disk that ignores case would mix two files up."""
    names: dict[str, str] = {}
    for name, place in places.items():
        other = names.setdefault(place.casefold(), name)
        if other != name:
            raise ManifestError(f"artifacts {other!r} and {name!r}: the name is taken")
