"""What the benchmarks share: turns, time and memory, files and manifests, the word on a limit."""

import math
import os
import re
import resource
import subprocess
import time
from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeVar

from truss_outbox.contract.manifest import Artifact, Manifest, ModelInfo

_LOOK_SECONDS = 0.02
# An installed command has its byte code on disk; a shell that forbids to write any would have
# every run of a checkout's compiled anew: 0.06 seconds that no user waits for.
_NO_BYTE_CODE = "PYTHONDONTWRITEBYTECODE"
_BLOCK_BYTES = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TimedRun:
    """`peak` is the largest resident set of any of the commands, in mebibytes.

    `is_over`: it was ended because it took too long.
    """

    seconds: float
    peak: float
    cpu_seconds: float = 0.0
    is_over: bool = False


def timed(
    commands: Sequence[Sequence[str]], *, directory: Path, environment: Mapping[str, str]
) -> TimedRun:
    """One command after the other. Raises SystemExit with its last output where one fails."""
    started, peak = time.perf_counter(), 0.0
    for command in commands:
        run = watched(command, directory=directory, environment=environment)
        peak = max(peak, run.peak)
    return TimedRun(time.perf_counter() - started, peak)


def watched(
    command: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    until: Callable[[], bool] = lambda: False,
    limit_seconds: float = math.inf,
    good: Container[int] = (0,),
) -> TimedRun:
    """One command, killed when `until` says so or the time is over.

    Raises SystemExit with its last output where its exit code is none of the good ones.
    """
    environment = {name: value for name, value in environment.items() if name != _NO_BYTE_CODE}
    started, cpu_before, peak = time.perf_counter(), _cpu_seconds_of_ended(), 0.0
    is_over = is_enough = False
    with TemporaryFile() as said:
        process = subprocess.Popen(
            command, cwd=directory, env=environment, stdout=subprocess.DEVNULL, stderr=said
        )
        try:
            while process.poll() is None and not is_over and not is_enough:
                # Not getrusage: that begins with what the process was forked from.
                peak = max(peak, _peak_mebibytes_with_children(process.pid))
                time.sleep(_LOOK_SECONDS)
                is_over, is_enough = time.perf_counter() - started > limit_seconds, until()
        finally:
            process.kill()
            code = process.wait()
        seconds = time.perf_counter() - started
        if code not in good and not is_over and not is_enough:
            said.seek(0)
            tail = said.read()[-2000:].decode(errors="replace")
            raise SystemExit(f"{' '.join(command[:4])}: {code}\n{tail}")
    return TimedRun(seconds, peak, _cpu_seconds_of_ended() - cpu_before, is_over)


def _cpu_seconds_of_ended() -> float:
    """Of all processes that this one started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def peak_mebibytes(pid: int | None) -> float:
    """The largest resident set so far; 0 where the process has just ended."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(match[1]) / 1024 if match else 0.0


def _peak_mebibytes_with_children(pid: int) -> float:
    """What a process shares with those that it has forked counts for each of them."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        return sum(map(peak_mebibytes, (pid, *map(int, children))))
    except (FileNotFoundError, ProcessLookupError):  # one has just ended
        return 0


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
