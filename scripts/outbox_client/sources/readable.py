"""Files of this machine that can be read, and what is said of others."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from truss_outbox.contract.errors import OutboxError

from ..errors import UnreadableFileError


def check_readable(path: Path, *, called: str | None = None) -> None:
    """Raises UnreadableFileError, which says what it is instead of a readable file."""
    reason = _unreadable_because(path)
    if reason is not None:
        raise UnreadableFileError(f"{called or shown_path(path)} is not a readable file: {reason}")


def shown_path(path: Path) -> str:
    r"""With `\xe9` for each byte of a name that is not UTF-8."""
    text = str(path).encode(errors="backslashreplace").decode()
    return text.replace("\\udc", "\\x")  # Python's own form of such bytes


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Makes UnreadableFileError of what goes wrong with the file, and leaves our own errors be."""
    try:
        yield
    except OutboxError:
        raise
    except OSError as error:
        raise UnreadableFileError(f"{shown_path(path)} cannot be read: {error.strerror}") from error


_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFIFO: "it is a FIFO",
    stat.S_IFSOCK: "it is a socket",
}


def _unreadable_because(path: Path) -> str | None:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        is_link = os.path.islink(path)  # noqa: PTH114 - for a name that no file can have, too
        reason = getattr(error, "strerror", None) or "there is none"
        return f"it is a broken link ({reason})" if is_link else reason
    if not stat.S_ISREG(mode):
        return _KINDS.get(stat.S_IFMT(mode), "it is a device")
    return None if os.access(path, os.R_OK) else "Permission denied"
