"""Received events on disk: one file each, the payload byte for byte."""

import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_UNSAFE = re.compile(rb"^\.|[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class Inbox:
    """A directory in which every file is complete. `sync` puts an open file on disk."""

    directory: Path
    sync: Callable[[int], None] = os.fsync

    @classmethod
    def open(cls, directory: Path, *, sync: Callable[[int], None] = os.fsync) -> Self:
        """Make the directory, for its owner alone; delete what a crash left half written."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in directory.glob(".incoming-*"):
            leftover.unlink(missing_ok=True)
        return cls(directory, sync=sync)

    def path(self, request_id: str) -> Path:
        """No two ids have the same file, and none lies outside the directory.

        Bytes that are no letter, digit, `.`, `_` or `-`, and a leading dot, become `%XX`: as in the
        keys of results, so that a result and its event are found by one name.
        """
        name = _UNSAFE.sub(
            lambda found: b"%" + found[0].hex().upper().encode(), request_id.encode()
        )
        return self.directory / f"{name.decode()}.json"

    def keep(self, request_id: str, body: bytes) -> bool:
        """Store the request's event unless one is there; returns whether it was stored.

        Either way the event is on disk when it returns. Raises OSError.
        """
        descriptor, name = tempfile.mkstemp(prefix=".incoming-", dir=self.directory)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                self.sync(file.fileno())
            os.link(name, self.path(request_id))  # refuses to replace, unlike a rename
        except FileExistsError:
            return False
        finally:
            Path(name).unlink(missing_ok=True)
            # Also for a duplicate: the first one's name may not be on disk yet.
            self._sync_directory()
        return True

    def _sync_directory(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)
