"""Sending that goes on in a process of its own, when the one that began it has ended."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import LocalFileError


@dataclass(frozen=True, kw_only=True, slots=True)
class Detached:
    """The process that sends, and the file that has what it says."""

    job: str
    planned: int
    process: int
    log: Path


def detach(job: str, options: Sequence[object], *, planned: int, log: Path) -> Detached:
    """Start `outbox resume` for the job, with the values of these groups of options.

    It has a session of its own: neither Ctrl-C in this terminal nor its end reaches it. Raises
    LocalFileError where the log cannot be written.
    """
    command = [sys.executable, "-m", __package__.partition(".")[0], "resume", job]
    arguments = [argument for group in options for argument in _arguments(group)]
    try:
        # Items are named in it.
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise LocalFileError(f"{log} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    process.returncode = 0  # it is nobody's to wait for
    return Detached(job=job, planned=planned, process=process.pid, log=log)


def _arguments(group: Any) -> list[str]:
    """As the command line has them; those that were not given are left out."""
    return [
        name if value is True else f"{name}={value}"
        for one in fields(group)
        if (value := getattr(group, one.name)) not in {None, False}
        for name in [one.metadata.get("option", f"--{one.name.replace('_', '-')}")]
    ]
