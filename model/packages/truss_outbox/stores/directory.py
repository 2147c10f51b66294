"""A store in a directory: `file:///path`, of one machine or a mount."""

import contextlib
import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from ..contract.errors import (
    INTERRUPTIONS,
    AccessDeniedError,
    AlreadyExistsError,
    NotFoundError,
    NotImplementedByStoreError,
    ObjectTooLargeError,
    OutboxError,
    StoreError,
)
from ..contract.root import Root
from .faults import from_fault
from .streams import FileDigest, copy_hashed

# What FAT, exFAT, and some of FUSE and of network mounts answer where they lack the call.
_LACKING = {
    *(errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL),
}
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1  # of Linux: fcntl.h and fs.h


def _rename_to_new(source: str, target: Path) -> None:
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    names = (os.fsencode(source), os.fsencode(target))
    if rename is None:
        raise OSError(errno.ENOSYS, "no renameat2")
    flags = ctypes.c_uint(_RENAME_NOREPLACE)
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], flags):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(target))


Naming = Callable[[str, Path], object]
"""Gives a file another name, atomically."""

# A link, unlike a plain rename, refuses to replace what is there.
_WAYS: tuple[Naming, ...] = (os.link, _rename_to_new)
_MOST_REMEMBERED = 4096


class DirectoryStore:
    """Objects are files; unfinished ones lie under `.tmp/`, which no reader lists.

    What has its name survives a power cut: the file and its folders are on disk when a call
    returns. Of the `ways` to take a name that is free, and no other, the first that the file system
    has is used.
    """

    def __init__(self, directory: Path, *, ways: Sequence[Naming] = _WAYS) -> None:
        self.root = str(Root.of_directory(directory))
        self._directory = directory
        self._ways = ways
        # Folders whose own names are on disk; and those that may be another's, and closed to us.
        self._on_disk: set[Path] = set()
        self._above = {directory, *directory.parents}

    def put_file(self, key: str, path: Path, *, content_type: str) -> FileDigest:  # noqa: ARG002
        with _translated(key), path.open("rb") as source, self._unfinished(key) as target:
            copied = copy_hashed(source, target)
            self._name(target, key, [os.replace])
        return copied

    def create(self, key: str, data: bytes, *, content_type: str) -> None:  # noqa: ARG002
        with _translated(key), self._unfinished(key) as target:
            target.write(data)
            self._name(target, key, self._ways)

    def put(self, key: str, data: bytes, *, content_type: str) -> None:  # noqa: ARG002
        with _translated(key), self._unfinished(key) as target:
            target.write(data)
            self._name(target, key, [os.replace])

    def _name(self, file: BinaryIO, key: str, ways: Sequence[Naming]) -> None:
        # On disk before it has its name: after a power cut a named file must be whole.
        _sync(file)
        for way in ways:
            try:
                way(file.name, self._path(key))
            except OSError as error:
                if error.errno not in _LACKING:
                    raise
            else:
                _sync_directory(self._path(key).parent)
                return
        raise NotImplementedByStoreError(
            key,
            "its file system has neither hard links nor renames that replace nothing: use a"
            " directory on another one, or a bucket",
        )

    def get(self, key: str) -> bytes:
        with _translated(key):
            return self._path(key).read_bytes()

    def get_file(self, key: str, path: Path, *, max_bytes: int) -> str:
        with _translated(key), self._path(key).open("rb") as source:
            if os.fstat(source.fileno()).st_size > max_bytes:
                raise ObjectTooLargeError(key, max_bytes=max_bytes)
            with path.open("xb") as target:
                return copy_hashed(source, target).sha256

    def keys(self, prefix: str) -> set[str]:
        with _translated(prefix):
            below = self._path(prefix).rglob("*")
            return {
                path.relative_to(self._directory).as_posix() for path in below if path.is_file()
            }

    def delete(self, key: str) -> None:
        with _translated(key):
            self._path(key).unlink(missing_ok=True)

    def delete_all(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)

    def _path(self, key: str) -> Path:
        return self._directory / key

    @contextlib.contextmanager
    def _unfinished(self, key: str) -> Iterator[BinaryIO]:
        self._make(self._path(key).parent)
        temporary = self._directory / ".tmp"
        temporary.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=temporary, delete=False) as target:
            try:
                yield target.file  # type: ignore[misc]
            finally:
                Path(target.name).unlink(missing_ok=True)

    def _make(self, folder: Path) -> None:
        """Make the folder, and have it on disk with all above it: a power cut that takes the name
        of a folder takes the manifests below it."""
        if (folder in self._on_disk and folder.is_dir()) or folder == folder.parent:
            return
        self._make(folder.parent)
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
        # Also where another process has made it: that may not have got so far.
        with contextlib.suppress(*[OSError] if folder in self._above else []):
            _sync_directory(folder.parent)
        if len(self._on_disk) >= _MOST_REMEMBERED:
            self._on_disk.clear()
        self._on_disk.add(folder)


@contextlib.contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except (OutboxError, *INTERRUPTIONS):
        raise
    # A key below another key's file, or above one: in a bucket neither would be there.
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise NotFoundError(key) from error
    except FileExistsError as error:
        raise AlreadyExistsError(key) from error
    except PermissionError as error:
        raise AccessDeniedError(key, "the directory's permissions do not allow it") from error
    except shutil.SameFileError as error:
        raise StoreError(key, str(error)) from error
    except BaseException as error:
        raise from_fault(key, error) from error


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    # A file's name is its directory's content, which is written back separately.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _LACKING:  # some mounts write folders back at once, or as they like
            raise
    finally:
        os.close(descriptor)
