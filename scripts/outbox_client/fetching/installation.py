"""A result's files on this machine: verified, and complete where its manifest is there."""

import contextlib
import hashlib
import itertools
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from truss_outbox.contract.errors import CorruptArtifactError, StoreError

from ..bucket.listed import StoredObject
from ..errors import LocalFileError
from ..local_files import (
    Folders,
    local_files,
    resumable,
    resumable_name,
    temporary_name,
    write_new,
    write_whole,
)
from .download import ArtifactDownloader, Download

_MOST_KEPT_BYTES = 64 << 10
"""Of one result's files, which are in memory until they are written; there may be hundreds."""

_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)


def modified_ns(found: StoredObject) -> int | None:
    """Nanoseconds since the epoch; None where it is not known."""
    return (found.modified_at - _EPOCH) // _MICROSECOND * 1000 or None


@dataclass(frozen=True, kw_only=True, slots=True)
class Last:
    """A result's manifest, which is written when all else is there; dated as in the bucket.

    `was_there`: it was read from its path.
    """

    path: str
    data: bytes
    modified_ns: int | None
    was_there: bool

    @property
    def is_there(self) -> bool:
        if self.was_there:
            return True
        path = Path(self.path)
        return not path.is_symlink() and path.is_file() and path.read_bytes() == self.data

    def write(self) -> None:
        write_whole(self.path, self.data, modified_ns=self.modified_ns)

    def date(self) -> None:
        """That the next fetch knows it by its date and need not read it from the bucket."""
        if self.modified_ns is not None:
            os.utime(self.path, ns=(self.modified_ns, self.modified_ns))


@dataclass(kw_only=True, slots=True)
class Installation:
    """A result's files on their way, in three steps; `last` is written when all others are there.

    Each step raises UnsafePathError and LocalFileError, `bring` CorruptArtifactError and StoreError
    too; then no file has changed, and `last` is gone where others are missing.
    """

    downloads: Sequence[Download]
    last: Last | None
    brought: list[Download] = field(default_factory=list)
    """What came anew."""
    _new: set[str] = field(default_factory=set)
    _contents: dict[str, bytes] = field(default_factory=dict)

    def make_folders(self, folders: Folders) -> None:
        with local_files:
            self._new = {parent for parent in self._parents() if folders.make(parent)}

    def bring(self, downloader: ArtifactDownloader) -> None:
        """Every file that is missing or different: small ones into memory, for `end` to write."""
        with local_files:
            # A new folder is empty: there is no need to look for each of its files.
            self.brought = [
                one for one in self.downloads if self._is_new(one.target) or not _is_there(one)
            ]
            if not self.brought:
                self._end()
                return
            # Its presence says that all the others are there: it goes while some are replaced.
            if self.last and not self._is_new(self.last.path):
                Path(self.last.path).unlink(missing_ok=True)
            if sum(one.artifact.size for one in self.brought) <= _MOST_KEPT_BYTES:
                self._contents = downloader.contents(self.brought)
            else:
                _bring(self.brought, downloader)
                self._end()

    def end(self) -> None:
        """Nothing where `bring` has done it all."""
        if not self._contents:
            return
        with local_files:
            parts = {temporary_name(path): path for path in self._contents}
            with _removed_on_error(parts):
                for part, path in parts.items():
                    write_new(part, self._contents[path])
                for part, path in parts.items():
                    os.replace(part, path)  # noqa: PTH105  # a Path costs as much as the call
            self._contents = {}
            self._end()

    def _parents(self) -> set[str]:
        targets = [one.target for one in self.downloads]
        if self.last:
            targets.append(self.last.path)
        return {target.rpartition("/")[0] for target in targets}

    def _is_new(self, path: str) -> bool:
        return path.rpartition("/")[0] in self._new

    def _end(self) -> None:
        last = self.last
        if last and (self.brought or self._is_new(last.path) or not last.is_there):
            last.write()
        elif last:
            last.date()


def _bring(missing: Sequence[Download], downloader: ArtifactDownloader) -> None:
    """All are verified before any gets its name."""
    parts = {temporary_name(one.target): one for one in missing if not one.is_large}
    with _removed_on_error(parts):
        downloader.small(parts)
        large = {str(_bring_large(one, downloader)): one for one in missing if one.is_large}
        for part, one in itertools.chain(parts.items(), large.items()):
            os.replace(part, one.target)  # noqa: PTH105  # as above


@contextlib.contextmanager
def _removed_on_error(parts: Iterable[str]) -> Iterator[None]:
    try:
        yield
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
    with open(download.target, "rb", buffering=0) as file:  # noqa: PTH123  # as above
        if status.st_size <= _MOST_KEPT_BYTES:  # file_digest makes a buffer of four times that
            return hashlib.sha256(file.read()).hexdigest() == artifact.sha256
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
