"""One result at a time: from its manifest's key to verified files on this machine."""

import hashlib
import itertools
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from truss_outbox.contract import Artifact, Manifest, fingerprint
from truss_outbox.contract.errors import (
    CorruptArtifactError,
    KeyConflictError,
    ManifestError,
    NotFoundError,
    OutboxError,
    StoreError,
)
from truss_outbox.contract.keys import artifact_key, is_key, key_of_manifest

from ..bucket.bucket import Bucket
from ..bucket.listed import StoredObject
from ..bucket.records import artifacts_of, read_manifest
from ..errors import LocalFileError, TargetError, UnsafePathError
from ..local_files import (
    Folders,
    local_files,
    resumable,
    resumable_name,
    temporary_name,
    write_whole,
)
from .download import ArtifactDownloader, Download
from .layout import FOLDERS, MANIFEST, Selection, TakenPaths
from .places import Places

_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)


def modified_ns(found: StoredObject) -> int | None:
    """Nanoseconds since the epoch; None where it is not known."""
    return (found.modified_at - _EPOCH) // _MICROSECOND * 1000 or None


@dataclass(frozen=True, kw_only=True, slots=True)
class Last:
    """A result's manifest, which is written when all else is there; dated as in the bucket."""

    path: str
    data: bytes
    modified_ns: int | None

    @property
    def is_there(self) -> bool:
        path = Path(self.path)
        return not path.is_symlink() and path.is_file() and path.read_bytes() == self.data

    def write(self) -> None:
        write_whole(self.path, self.data, modified_ns=self.modified_ns)

    def date(self) -> None:
        """That the next fetch knows it by its date and need not read it from the bucket."""
        if self.modified_ns is not None:
            os.utime(self.path, ns=(self.modified_ns, self.modified_ns))


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """A result's files; `last` is written when all others are there."""

    downloads: Sequence[Download]
    last: Last | None

    def parents(self) -> set[str]:
        targets = [one.target for one in self.downloads]
        if self.last:
            targets.append(self.last.path)
        return {target.rpartition("/")[0] for target in targets}


def install(
    installation: Installation, *, folders: Folders, downloader: ArtifactDownloader
) -> list[Download]:
    """Bring every file that is missing or different, then write `last`; returns what was brought.

    Raises CorruptArtifactError, StoreError, UnsafePathError, LocalFileError; then no file has
    changed, and `last` is gone where others are missing.
    """
    last = installation.last
    with local_files():
        # A new folder is empty: there is no need to look for each of its files.
        new = {parent for parent in installation.parents() if folders.make(parent)}
        missing = [
            one
            for one in installation.downloads
            if one.target.rpartition("/")[0] in new or not _is_there(one)
        ]
        is_new = last is None or last.path.rpartition("/")[0] in new
        # Its presence says that all the others are there: it goes while some are replaced.
        if missing and last and not is_new:
            Path(last.path).unlink(missing_ok=True)
        _bring(missing, downloader)
        if last and (missing or is_new or not last.is_there):
            last.write()
        elif last:
            last.date()
    return missing


def _bring(missing: Sequence[Download], downloader: ArtifactDownloader) -> None:
    """All are verified before any gets its name."""
    parts = {temporary_name(one.target): one for one in missing if not one.is_large}
    try:
        downloader.small(parts)
        large = {str(_bring_large(one, downloader)): one for one in missing if one.is_large}
        for part, one in itertools.chain(parts.items(), large.items()):
            os.replace(part, one.target)  # noqa: PTH105  # once a file: a Path costs as much
    except BaseException:
        for part in parts:
            Path(part).unlink(missing_ok=True)
        raise


def _is_there(download: Download) -> bool:
    artifact = download.artifact
    try:
        status = os.lstat(download.target)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_size != artifact.size:
        return False
    with open(download.target, "rb") as file:  # noqa: PTH123  # as above
        return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256


def _bring_large(download: Download, downloader: ArtifactDownloader) -> Path:
    """Into a temporary file, which stays for the next fetch where the bucket fails."""
    part = resumable_name(download.target, download.artifact.sha256)
    try:
        with resumable(part) as file:
            was_begun = os.fstat(file.fileno()).st_size > 0
            try:
                downloader.large(download, file)
            except CorruptArtifactError:
                if not was_begun:
                    raise
                file.seek(0)
                file.truncate()
                downloader.large(download, file)
    except BlockingIOError as error:
        raise LocalFileError(f"{download.target}: another fetch is bringing it") from error
    except StoreError:
        raise  # what has come stays: the next fetch continues it
    except (CorruptArtifactError, OSError):
        part.unlink(missing_ok=True)
        raise
    return part


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetcher:
    """Brings results of a job below `to`. Several threads may use it.

    `is_listed`: the manifests come from a listing, and one that cannot be read is foreign.
    `digest_of` has the input's digest of a key, where it is known.
    """

    job: str
    to: Path
    bucket: Bucket
    downloader: ArtifactDownloader
    folders: Folders
    prefix: str
    is_listed: bool
    selection: Selection
    places: Places
    taken_paths: TakenPaths | None
    digest_of: Callable[[str], str | None]

    def fetch(self, found: StoredObject) -> Fetched | None:
        """None for a manifest of another job, one that was not asked for, or a foreign one.

        Raises TargetError, which the next result would meet too.
        """
        key = key_of_manifest(found.key)
        # The manifest names the item; until it is read, the end of the key does.
        item = below = key.removeprefix(self.prefix)
        try:
            if not is_key(key):
                raise UnsafePathError("not a key that Outbox makes: it has no place here")
            if not self._may_be_asked_for(key):
                return None
            read = self._read_here(found, below) or self._read(found.key)
            if read is None:
                return None
            manifest, data = read
            if manifest.job != self.job or not self.selection.takes_item(manifest.item):
                return None
            item = manifest.item
            self._check_input(manifest)
            artifacts = {one.name: one for one in artifacts_of(self.bucket, manifest)}
            if self.selection.layout is FOLDERS:
                with local_files():
                    below = self.places.folder(manifest, below=below)
                    self.places.check_free(below, manifest, data, names=artifacts)
            last = partial(Last, data=data, modified_ns=modified_ns(found))
            installation = self._installation(manifest, artifacts, below, last=last)
            brought = install(installation, folders=self.folders, downloader=self.downloader)
        except TargetError:
            raise
        except OutboxError as error:
            place, code = f"{self.to}/{below}", error.code
            return Fetched(
                item=item, key=key, place=place, code=code, problem=str(error), error=error
            )
        return Fetched(
            item=item,
            key=key,
            place=f"{self.to}/{below}" if self.selection.layout is FOLDERS else str(self.to),
            files=len(installation.downloads),
            downloaded=len(brought),
            downloaded_bytes=sum(download.artifact.size for download in brought),
        )

    def _may_be_asked_for(self, key: str) -> bool:
        """Mostly the key tells, and what is left out costs no call."""
        if not self.selection.include and not self.selection.exclude:
            return True
        values = self.places.template.values(key)
        return values is None or self.selection.takes_item(values.get("item", ""))

    def _read_here(self, found: StoredObject, below: str) -> tuple[Manifest, bytes] | None:
        """A manifest that an earlier fetch has brought, and that the listing shows to be the same.

        By its tag, which is mostly an MD5; else by its size and date: a manifest is created once,
        so that another one has another date.
        """
        place = self.places.folder_of_key(below) if self.selection.layout is FOLDERS else None
        if place is None:
            return None
        path = f"{self.to}/{place}/{MANIFEST}"
        try:
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode) or status.st_size != found.size:
                return None
            data = Path(path).read_bytes()
            if md5 := _MD5.fullmatch(found.e_tag or ""):
                is_same = md5[1] == hashlib.md5(data, usedforsecurity=False).hexdigest()
            else:
                is_same = status.st_mtime_ns == modified_ns(found)
            return (Manifest.at(found.key, data), data) if is_same else None
        except (OSError, ManifestError):
            return None

    def _read(self, path: str) -> tuple[Manifest, bytes] | None:
        """None for what is foreign to the bucket. Raises ManifestError, StoreError."""
        try:
            return read_manifest(self.bucket, path)
        except (ManifestError, NotFoundError) as error:
            if not self.is_listed:
                raise
            self.bucket.foreign.add(path, error)
            return None

    def _check_input(self, manifest: Manifest) -> None:
        """Raises KeyConflictError where the result is known to be of another input."""
        digest = self.digest_of(manifest.key)
        if digest is None:
            return
        if fingerprint(digest, model_version=manifest.model.version) != manifest.fingerprint:
            raise KeyConflictError(manifest.key, request_id=manifest.request_id)

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
        if layout is not FOLDERS:
            # Below a folder of their own, the manifest's names are apart by the contract.
            _check_apart(places)
        if self.taken_paths is not None:
            for place in [below] if layout is FOLDERS else places.values():
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


def _check_apart(places: Mapping[str, str]) -> None:
    """Raises ManifestError where a disk that ignores case would mix two files up."""
    names: dict[str, str] = {}
    for name, place in places.items():
        other = names.setdefault(place.casefold(), name)
        if other != name:
            raise ManifestError(f"artifacts {other!r} and {name!r}: the name is taken")
