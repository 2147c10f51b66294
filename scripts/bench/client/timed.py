"""How long commands take, each in a process of its own, and how much memory."""

import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class TimedRun:
    """`peak` is the largest resident set of any of the commands, in mebibytes."""

    seconds: float
    peak: float


def timed(
    commands: Sequence[Sequence[str]], *, directory: Path, environment: Mapping[str, str]
) -> TimedRun:
    """One command after the other. Raises SystemExit with its last output where one fails."""
    started, peak = time.perf_counter(), 0.0
    for command in commands:
        with TemporaryFile() as said:
            process = subprocess.Popen(
                command, cwd=directory, env=environment, stdout=subprocess.DEVNULL, stderr=said
            )
            while process.poll() is None:
                # Not getrusage: that begins with what the process was forked from.
                peak = max(peak, _high_water_mark(process.pid))
                time.sleep(_LOOK_SECONDS)
            if process.returncode:
                said.seek(0)
                tail = said.read()[-2000:].decode(errors="replace")
                raise SystemExit(f"{Path(command[0]).name}: {process.returncode}\n{tail}")
    return TimedRun(time.perf_counter() - started, peak)


def _high_water_mark(pid: int) -> float:
    """In mebibytes; 0 where the process has just ended."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(match[1]) / 1024 if match else 0.0
