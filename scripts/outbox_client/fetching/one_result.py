"""One result at a time: from its manifest's key to verified files on this machine."""

import contextlib
import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from truss_outbox.contract import Manifest, fingerprint
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
from ..bucket.records import read_manifest
from ..errors import LocalFileError, TargetError, UnsafePathError
from ..local_files import Folders, local_files, resumable, resumable_name, temporary, write_whole
from .download import ArtifactDownloader, Download
from .layout import FOLDERS, MANIFEST, Selection, TakenPaths
from .places import Places


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """A result's files; `last` (path and content) is written when all others are there."""

    downloads: Sequence[Download]
    last: tuple[Path, bytes] | None

    def parents(self) -> set[Path]:
        parents = {one.target.parent for one in self.downloads}
        return parents | {self.last[0].parent} if self.last else parents


def install(
    installation: Installation, *, folders: Folders, downloader: ArtifactDownloader
) -> list[Download]:
    """Bring every file that is missing or different, then write `last`; returns what was brought.

    Raises CorruptArtifactError, StoreError, UnsafePathError, LocalFileError; then no file has
    changed, and `last` is gone where others are missing.
    """
    with local_files(), contextlib.ExitStack() as stack:
        # A new folder is empty: there is no need to look for each of its files.
        new = {parent for parent in installation.parents() if folders.make(parent)}
        missing = [
            one for one in installation.downloads if one.target.parent in new or not _is_there(one)
        ]
        # Its presence says that all the others are there: it goes while some are replaced.
        if missing and installation.last and installation.last[0].parent not in new:
            installation.last[0].unlink(missing_ok=True)
        small = [one for one in missing if not one.is_large]
        parts = {stack.enter_context(temporary(one.target)): one for one in small}
        downloader.small(parts)
        parts |= {_bring_large(one, downloader): one for one in missing if one.is_large}
        # All are verified: only now does any get its name.
        for part, one in parts.items():
            part.replace(one.target)
        if installation.last and (missing or not _holds(*installation.last)):
            write_whole(*installation.last)
    return missing


def _is_there(download: Download) -> bool:
    target, artifact = download.target, download.artifact
    try:
        status = target.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_size != artifact.size:
        return False
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256


def _holds(path: Path, data: bytes) -> bool:
    return not path.is_symlink() and path.is_file() and path.read_bytes() == data


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
    folder: Path
    files: int = 0
    downloaded: int = 0
    downloaded_bytes: int = 0
    error: OutboxError | None = None

    @property
    def code(self) -> str | None:
        return None if self.error is None else self.error.code

    @property
    def problem(self) -> str | None:
        return None if self.error is None else str(self.error)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetcher:
    """Brings results of a job below `to`. Several threads may use it.

    `is_listed`: the manifests come from a listing, and one that cannot be read is foreign.
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
    taken_paths: TakenPaths
    digests: Mapping[str, str]

    def fetch(self, path: str) -> Fetched | None:
        """None for a manifest of another job, one that was not asked for, or a foreign one.

        Raises TargetError, which the next result would meet too.
        """
        key = key_of_manifest(path)
        # The manifest names the item; until it is read, the end of the key does.
        item = below = key.removeprefix(self.prefix)
        try:
            if not is_key(key):
                raise UnsafePathError("not a key that Outbox makes: it has no place here")
            read = self._read(path)
            if read is None:
                return None
            manifest, data = read
            if manifest.job != self.job or not self.selection.takes_item(manifest.item):
                return None
            item = manifest.item
            self._check_input(manifest)
            if self.selection.layout is FOLDERS:
                with local_files():
                    below = self.places.folder(manifest, below=below)
                    self.places.check_free(below, manifest, data)
            installation = self._installation(manifest, data, below)
            brought = install(installation, folders=self.folders, downloader=self.downloader)
        except TargetError:
            raise
        except OutboxError as error:
            return Fetched(item=item, key=key, folder=self.to / below, error=error)
        return Fetched(
            item=item,
            key=key,
            folder=self.to / below if self.selection.layout is FOLDERS else self.to,
            files=len(installation.downloads),
            downloaded=len(brought),
            downloaded_bytes=sum(download.artifact.size for download in brought),
        )

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
        digest = self.digests.get(manifest.key)
        if digest is None:
            return
        if fingerprint(digest, model_version=manifest.model.version) != manifest.fingerprint:
            raise KeyConflictError(manifest.key, request_id=manifest.request_id)

    def _installation(self, manifest: Manifest, data: bytes, below: str) -> Installation:
        by_name = {artifact.name: artifact for artifact in manifest.artifacts}
        layout, places = self.selection.layout, {}
        for name in filter(self.selection.takes_file, (*by_name, MANIFEST)):
            place = layout.path(manifest, name, below=below)
            if place is not None:
                places[name] = place
        if layout is not FOLDERS:
            # Below a folder of their own, the manifest's names are apart by the contract.
            _check_apart(places)
        for place in [below] if layout is FOLDERS else places.values():
            self.taken_paths.take(place, key=manifest.key)
        last = places.pop(MANIFEST, None)
        return Installation(
            downloads=[
                Download(
                    artifact=by_name[name],
                    key=artifact_key(manifest.key, manifest.attempt, name),
                    target=self.to / place,
                )
                for name, place in places.items()
            ],
            last=None if last is None else (self.to / last, data),
        )


def _check_apart(places: Mapping[str, str]) -> None:
    """Raises ManifestError where a disk that ignores case would mix two files up."""
    names: dict[str, str] = {}
    for name, place in places.items():
        other = names.setdefault(place.casefold(), name)
        if other != name:
            raise ManifestError(f"artifacts {other!r} and {name!r}: the name is taken")
