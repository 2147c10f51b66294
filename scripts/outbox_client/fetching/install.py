"""A result's files on this machine: none gets its name before all are there and verified."""

import contextlib
import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from truss_outbox.contract.errors import CorruptArtifactError, StoreError

from ..errors import LocalFileError
from ..local_files import (
    Folders,
    local_files,
    resumable,
    resumable_name,
    temporary,
    write_whole,
)
from .download import ArtifactDownloader, Download


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
