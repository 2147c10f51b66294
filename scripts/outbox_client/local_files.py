"""Writing files on this machine: whole or not at all, and what its errors mean."""

import contextlib
import errno
import fcntl
import functools
import itertools
import math
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

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

_FIRST_CALLS, _SLOW_SECONDS = 16, 0.001

T = TypeVar("T")


class _LocalFiles:
    """Raises TargetError where no other file would fare better, else LocalFileError."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, OutboxError):
            kind = TargetError if error.errno in _OF_THE_DISK else LocalFileError
            raise kind(_sentence(error)) from error


local_files = _LocalFiles()
"""Around what writes files: one for all, as a generator's block costs as much as a call."""


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


def is_empty(directory: Path) -> bool:
    """False also where it cannot be listed."""
    try:
        return not any(directory.iterdir())
    except OSError:
        return False


class Disk:
    """How quick the target is: this machine's disk, or a network's."""

    def __init__(self) -> None:
        self._calls, self._quickest_seconds = 0, math.inf

    @property
    def is_slow(self) -> bool:
        return self._calls >= _FIRST_CALLS and self._quickest_seconds > _SLOW_SECONDS

    def timed(self, call: Callable[[], T]) -> T:
        began = time.monotonic()
        try:
            return call()
        finally:
            self._calls += 1
            self._quickest_seconds = min(self._quickest_seconds, time.monotonic() - began)


class Folders:
    """The directories below a root, made as they are needed. Safe to use from several threads."""

    def __init__(self, root: str | Path) -> None:
        self._root = str(root)
        self._real_root = Path(os.path.realpath(root))
        self._known = {self._root}  # of those that have folders in them, which are few

    def make(self, path: str) -> bool:
        """Whether it is new, and so empty.

        Raises UnsafePathError where a symbolic link leads out of the root, and OSError.
        """
        if path == self._root:
            return False
        parent = path.rpartition("/")[0]
        if parent not in self._known:
            self.make(parent)
            self._known.add(parent)
        try:
            os.mkdir(path)  # noqa: PTH102  # once a result: a Path costs as much as the call
        except FileExistsError:
            self._check(path)
            return False
        return True

    def _check(self, path: str) -> None:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            return  # as those above it are, or they were looked at
        if not Path(os.path.realpath(path)).is_relative_to(self._real_root):
            raise UnsafePathError(f"{path} would leave the directory; remove the link on its way")
        if not Path(path).is_dir():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)


def write_new(path: str | Path, data: bytes, *, modified_ns: int | None = None) -> None:
    """A file that was not there, with no more system calls than it takes. Raises OSError.

    `modified_ns` is when it was modified, in nanoseconds since the epoch; by default now.
    """
    # Path.open would also stat and seek, which shows with many small files.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        if modified_ns is not None:
            os.utime(descriptor, ns=(modified_ns, modified_ns))
    finally:
        os.close(descriptor)


def write_whole(path: str | Path, data: bytes, *, modified_ns: int | None = None) -> None:
    """In place of what is there, or nothing changes. Raises OSError."""
    part = temporary_name(str(path))
    try:
        write_new(part, data, modified_ns=modified_ns)
        os.replace(part, path)  # noqa: PTH105  # once a result: a Path costs as much as the call
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def temporary(target: Path) -> Iterator[Path]:
    """A new name beside the target, for the caller to rename in the end.

    On an error the file goes.
    """
    part = Path(temporary_name(str(target)))
    try:
        yield part
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def temporary_name(target: str) -> str:
    """A name beside the target that nobody else takes."""
    return _part(target, f"{_process()}{next(_numbers):x}")


def resumable_name(target: str, sha256: str) -> Path:
    """The name beside the target under which bytes of that hash wait to be continued."""
    return Path(_part(target, sha256[:8]))


@contextlib.contextmanager
def resumable(path: Path) -> Iterator[BinaryIO]:
    """The file with what an earlier run left in it, read and written by this process alone.

    Raises BlockingIOError where another one has it.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file


_numbers = itertools.count()


@functools.cache
def _process() -> str:
    """Asked of the system once, not for every file."""
    return secrets.token_hex(4)


os.register_at_fork(after_in_child=_process.cache_clear)


def _part(target: str, token: str) -> str:
    folder, slash, name = target.rpartition("/")
    # Names may have 255 bytes: 50 characters are 200 at most.
    return f"{folder}{slash}.{name[:50]}.{token}.part"
