"""What the benchmarks share: turns, time and memory, files and manifests, the word on a limit."""

import os
import re
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeVar

from truss_outbox.contract import Artifact, Manifest, ModelInfo

_LOOK_SECONDS = 0.02
# An installed command has its byte code on disk; a shell that forbids to write any would have
# every run of a checkout's compiled anew: 0.06 seconds that no user waits for.
_NO_BYTE_CODE = "PYTHONDONTWRITEBYTECODE"
_BLOCK_BYTES = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TimedRun:
    """`peak` is the largest resident set of any of the commands, in mebibytes."""

    seconds: float
    peak: float


def timed(
    commands: Sequence[Sequence[str]], *, directory: Path, environment: Mapping[str, str]
) -> TimedRun:
    """One command after the other. Raises SystemExit with its last output where one fails."""
    environment = {name: value for name, value in environment.items() if name != _NO_BYTE_CODE}
    started, peak = time.perf_counter(), 0.0
    for command in commands:
        with TemporaryFile() as said:
            process = subprocess.Popen(
                command, cwd=directory, env=environment, stdout=subprocess.DEVNULL, stderr=said
            )
            while process.poll() is None:
                # Not getrusage: that begins with what the process was forked from.
                peak = max(peak, peak_mebibytes(process.pid))
                time.sleep(_LOOK_SECONDS)
            if process.returncode:
                said.seek(0)
                tail = said.read()[-2000:].decode(errors="replace")
                raise SystemExit(f"{Path(command[0]).name}: {process.returncode}\n{tail}")
    return TimedRun(time.perf_counter() - started, peak)


def peak_mebibytes(pid: int | None) -> float:
    """The largest resident set so far; 0 where the process has just ended."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(match[1]) / 1024 if match else 0.0


def write_random(path: Path, size: int) -> Path:
    """Bytes that nobody has stored before."""
    with path.open("wb") as file:
        for start in range(0, size, _BLOCK_BYTES):
            file.write(os.urandom(min(_BLOCK_BYTES, size - start)))
    return path


def manifest_of(job: str, item: str, *, attempt: str, artifacts: list[Artifact]) -> Manifest:
    return Manifest(
        key=f"job={job}/{item}",
        request_id="R",
        job=job,
        item=item,
        attempt=attempt,
        fingerprint="0" * 64,
        model=ModelInfo(name="bench", version="1"),
        created_at=datetime.now(UTC),
        artifacts=artifacts,
    )


def in_turn(ways: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """What each way returns, by round. The order rotates: the first may find caches cold."""
    taken: dict[str, list[T]] = {name: [] for name in ways}
    names = deque(ways)
    for _ in range(rounds):
        for name in names:
            taken[name].append(ways[name]())
        names.rotate()
    return taken


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Round by round: what slows the machine for a while slows both."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def verdict(limit: float, *, is_met: bool) -> str:
    return f"{'within' if is_met else 'BEYOND'} the limit of {limit:g}"
