"""Writing files on this machine: whole or not at all, and what its errors mean."""

import contextlib
import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from truss_outbox.contract.errors import OutboxError

from .errors import LocalFileError, TargetError, UnsafePathError

_REMEDIES = {
    errno.ENOSPC: "free some space or fetch to another disk",
    errno.EDQUOT: "free some space or fetch to another disk",
    errno.EROFS: "make it writable or fetch to another directory",
    errno.EFBIG: "fetch to a disk that takes larger files, or raise `ulimit -f`",
    errno.EACCES: "make it writable or fetch to another directory",
    errno.EPERM: "make it writable or fetch to another directory",
    errno.ENAMETOOLONG: "fetch with an --output-template that gives shorter names",
    errno.ENOTDIR: "a file is where a directory should be: move it away",
    errno.EEXIST: "a file is where a directory should be: move it away",
    errno.EISDIR: "a directory is where a file should be: move it away",
}
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""The next file would fail for the same reason."""


@contextlib.contextmanager
def local_files() -> Iterator[None]:
    """Raises TargetError where no other file would fare better, else LocalFileError."""
    try:
        yield
    except OutboxError:
        raise
    except OSError as error:
        kind = TargetError if error.errno in _OF_THE_DISK else LocalFileError
        raise kind(_sentence(error)) from error


def _sentence(error: OSError) -> str:
    said = f"{error.filename or 'this disk'}: {error.strerror or type(error).__name__}"
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{said}; {remedy}" if remedy else said


def ready_directory(path: Path) -> bool:
    """Make the directory, try it out, and say whether it takes `A` for `a`.

    Raises TargetError.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with temporary(path / "Probe") as probe:
            probe.touch()
            ignores_case = probe.with_name(probe.name.swapcase()).exists()
            probe.unlink()
            return ignores_case
    except OSError as error:
        raise TargetError(_sentence(error)) from error


class Folders:
    """The directories below a root, made as they are needed. Safe to use from several threads."""

    def __init__(self, root: Path) -> None:
        self._real_root = os.path.realpath(root)
        self._known = {root}

    def make(self, path: Path) -> bool:
        """Whether it is new, and so empty.

        Raises UnsafePathError where a symbolic link leads out of the root, and OSError.
        """
        if path in self._known:
            return False
        self.make(path.parent)
        try:
            path.mkdir()
        except FileExistsError:
            self._check(path)
            if not path.is_dir():
                raise
            self._known.add(path)
            return False
        return True

    def _check(self, path: Path) -> None:
        if not Path(os.path.realpath(path)).is_relative_to(self._real_root):
            raise UnsafePathError(f"{path} would leave the directory; remove the link on its way")


def write_new(path: Path, data: bytes) -> None:
    """A file that was not there, with no more system calls than it takes. Raises OSError."""
    # Path.open would also stat and seek, which shows with many small files.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes) -> None:
    """In place of what is there, or nothing changes. Raises OSError."""
    with temporary(path) as part:
        write_new(part, data)
        part.replace(path)


@contextlib.contextmanager
def temporary(target: Path) -> Iterator[Path]:
    """A new name beside the target, for the caller to rename in the end.

    On an error the file goes.
    """
    part = _part(target, secrets.token_hex(4))
    try:
        yield part
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def resumable_name(target: Path, sha256: str) -> Path:
    """The name beside the target under which bytes of that hash wait to be continued."""
    return _part(target, sha256[:8])


@contextlib.contextmanager
def resumable(path: Path) -> Iterator[BinaryIO]:
    """The file with what an earlier run left in it, read and written by this process alone.

    Raises BlockingIOError where another one has it.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file


def _part(target: Path, token: str) -> Path:
    # Names may have 255 bytes: 55 characters are 220 at most.
    return target.with_name(f".{target.name[:55]}.{token}.part")
