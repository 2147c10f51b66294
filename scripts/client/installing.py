"""A result's files on this machine: none gets its name before all are there and verified."""

import contextlib
import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.artifacts.errors import CorruptArtifactError, StoreError
from scripts.client.downloading import Download, Downloader
from scripts.client.errors import LocalFileError, UnsafePathError
from scripts.client.local_files import local_files, resumable, resumable_name, temporary


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """A result's files below `root`; `last` (path and content) stands for all of them."""

    root: Path
    downloads: Sequence[Download]
    last: tuple[Path, bytes] | None


def install(installation: Installation, *, downloader: Downloader) -> list[Download]:
    """Bring every file that is missing or different, then write `last`; returns what was brought.

    Raises CorruptArtifactError, StoreError, UnsafePathError, LocalFileError; then no file has
    changed, and `last` is gone where others are missing.
    """
    with local_files(), contextlib.ExitStack() as stack:
        _make_parents(installation)
        missing = [one for one in installation.downloads if not _is_there(one)]
        # It may not stand while files are replaced.
        if missing and installation.last:
            installation.last[0].unlink(missing_ok=True)
        small = [one for one in missing if not one.is_large]
        parts = {stack.enter_context(temporary(one.target)): one for one in small}
        downloader.small(parts)
        parts |= {_bring_large(one, downloader): one for one in missing if one.is_large}
        for part, one in parts.items():
            part.replace(one.target)
        if installation.last and (missing or not _holds(*installation.last)):
            _write(*installation.last)
    return missing


def _make_parents(installation: Installation) -> None:
    """Raises UnsafePathError where a symbolic link leads out of the root."""
    targets = [one.target for one in installation.downloads]
    targets += [installation.last[0]] if installation.last else []
    for parent in {target.parent for target in targets}:
        real = os.path.realpath(parent)
        if real != str(installation.root) and not real.startswith(f"{installation.root}{os.sep}"):
            raise UnsafePathError(f"{parent} would leave the directory; remove the link on its way")
        parent.mkdir(parents=True, exist_ok=True)


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


def _write(path: Path, data: bytes) -> None:
    with temporary(path) as part:
        part.write_bytes(data)
        part.replace(path)


def _bring_large(download: Download, downloader: Downloader) -> Path:
    """Under a temporary name; what came of it stays for the next time if the bucket fails."""
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
        raise  # as the one error that time heals
    except (CorruptArtifactError, OSError):
        part.unlink(missing_ok=True)
        raise
    return part
