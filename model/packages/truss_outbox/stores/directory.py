"""A store in a directory: `file:///path`. For one machine, or a mount with POSIX links."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..contract.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    NotFoundError,
    ObjectTooLargeError,
    StoreError,
    StoreUnavailableError,
)
from ..contract.root import Root
from .streams import FileDigest, copy_hashed


class DirectoryStore:
    """Objects are files; unfinished ones lie under `.tmp/`, which no reader lists."""

    def __init__(self, directory: Path) -> None:
        self.root = str(Root.of_directory(directory))
        self._directory = directory

    def put_file(self, key: str, path: Path, *, content_type: str) -> FileDigest:  # noqa: ARG002
        with _translated(key), path.open("rb") as source, self._unfinished(key) as target:
            copied = copy_hashed(source, target)
            # On disk before it has its name: after a power cut a named file must be whole.
            _sync(target)
            Path(target.name).replace(self._path(key))
            _sync_directory(self._path(key).parent)
        return copied

    def create(self, key: str, data: bytes, *, content_type: str) -> None:  # noqa: ARG002
        with _translated(key), self._unfinished(key) as target:
            target.write(data)
            _sync(target)
            # A link, unlike a rename, refuses to replace what is there.
            os.link(target.name, self._path(key))
            _sync_directory(self._path(key).parent)

    def get(self, key: str) -> bytes:
        with _translated(key):
            return self._path(key).read_bytes()

    def get_file(self, key: str, path: Path, *, max_bytes: int) -> str:
        with _translated(key), self._path(key).open("rb") as source:
            if os.fstat(source.fileno()).st_size > max_bytes:
                raise ObjectTooLargeError(key, max_bytes=max_bytes)
            with path.open("xb") as target:
                return copy_hashed(source, target).sha256

    def delete(self, key: str) -> None:
        with _translated(key):
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._directory / key

    @contextlib.contextmanager
    def _unfinished(self, key: str) -> Iterator[BinaryIO]:
        temporary = self._directory / ".tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        self._path(key).parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=temporary, delete=False) as target:
            try:
                yield target.file  # type: ignore[misc]
            finally:
                Path(target.name).unlink(missing_ok=True)


@contextlib.contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except StoreError:
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
    except OSError as error:
        raise StoreUnavailableError(key, error.strerror or type(error).__name__) from error


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    # A file's name is its directory's content, which is written back separately.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
