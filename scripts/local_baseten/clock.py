"""The stand-in's time, which a test may let pass: the system's, plus what it was moved by."""

import mmap
import os
import struct
import time
from pathlib import Path
from typing import Self

_OFFSET = struct.Struct("d")


class MovableClock:
    """Seconds since 1970. Whoever opens the same file has the same time at once."""

    def __init__(self, offset: mmap.mmap) -> None:
        self._offset = offset

    @classmethod
    def open(cls, path: Path) -> Self:
        """Makes the file, where there is none, with a clock that goes right."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, _OFFSET.size)
            return cls(mmap.mmap(descriptor, _OFFSET.size))
        finally:
            os.close(descriptor)

    def __call__(self) -> float:
        return time.time() + self.moved_by

    @property
    def moved_by(self) -> float:
        (seconds,) = _OFFSET.unpack_from(self._offset)
        return float(seconds)

    def advance(self, seconds: float) -> None:
        """Never back: what has ended would not have begun."""
        if not seconds >= 0:
            raise ValueError("time does not go back")
        _OFFSET.pack_into(self._offset, 0, self.moved_by + seconds)
