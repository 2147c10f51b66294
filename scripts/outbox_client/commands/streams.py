"""The standard streams: each is there, and one that fails ends no command in a traceback."""

import io
import os
import sys
from typing import Any, TextIO


def prepare() -> None:
    """A stream that was closed is /dev/null: else the next file or socket would take its number.

    When stdout fails, BrokenPipeError or TargetError is raised, this once, and it is /dev/null from
    then on, so that nothing fails at the end of the process. When stderr fails, nobody is told.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - as long as the process
    sys.stdout = _text(_Stdout(1), sys.stdout)
    sys.stderr = _text(_Stderr(2), sys.stderr)


def _text(raw: io.FileIO, was: TextIO | None) -> io.TextIOWrapper:
    """With what the terminal cannot show escaped."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=None if was is None else was.encoding,
        errors="backslashreplace",
        line_buffering=True if isinstance(raw, _Stderr) else raw.isatty(),
    )


class _Stdout(io.FileIO):
    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if isinstance(error, BrokenPipeError):
                raise  # its reader has gone, which is nobody's fault
            from ..errors import TargetError  # noqa: PLC0415  # 0.1 seconds

            raise TargetError(f"stdout: {error.strerror}") from error


class _Stderr(io.FileIO):
    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(memoryview(data))
