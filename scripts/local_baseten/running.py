"""The stand-in as a child process: for tests, and for a demonstration in one command."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .errors import NotRunningError
from .settings import ServiceSettings
from .state_directory import MovableClock, Processes, StateDirectory

_READY_SECONDS = 120.0
_INSTALL_SECONDS = 600.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.05
_FAILED_STARTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalBaseten:
    """A running stand-in.

    `environment` is what a companion needs, keys included: OUTBOX_ROOT and the rest of what opens
    the bucket are there where one was asked for.
    """

    base_url: str
    api_key: str = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    state_directory: Path
    log: Path

    def processes(self) -> Processes:
        """What runs at this moment, by process id. Raises NotRunningError before the start."""
        processes = StateDirectory(self.state_directory).read_processes()
        if processes is None:
            raise NotRunningError("no stand-in was ever started here")
        return processes

    def advance(self, seconds: float) -> None:
        """Move the stand-in's clock: requests expire, wait no longer, are forgotten.

        A request that then runs for longer than an hour is taken from its server, as from one
        that was lost. Webhooks are dated by the real time.
        """
        MovableClock.open(StateDirectory(self.state_directory).clock).advance(seconds)


@contextlib.contextmanager
def running_locally(
    source: Path,
    *,
    state_directory: Path,
    bucket_directory: Path | None = None,
    api_key: str | None = None,
    port: int = 0,
    environment: Mapping[str, str] | None = None,
    install: bool = False,
    **options: Any,
) -> Iterator[LocalBaseten]:
    """Start the stand-in, wait until its model is ready; end both with the block or this process.

    `source` is a Truss's directory, or the Python file with a Chain's entrypoint.
    A state directory can be used again, also after a kill -9: what it had accepted is taken up.
    `environment` is added to this process's own, `options` are the fields of ServiceSettings. The
    model runs in this Python environment; with `install`, in one of its own, which is made first
    and takes its time.
    Raises NotRunningError.
    """
    settings = ServiceSettings(**options)
    state = StateDirectory(state_directory.resolve())
    state.make()
    command = [
        *(sys.executable, "-m", "local_baseten", str(source.resolve())),
        *("--end-with-stdin", f"--state-directory={state.path}", f"--port={port}"),
        f"--settings={json.dumps(asdict(settings))}",
        *([f"--bucket={bucket_directory.resolve()}"] if bucket_directory else []),
        *(["--install"] if install else []),
    ]
    # The child takes its key from there; the caller's own must not become one by accident.
    variables = {**os.environ, **(environment or {}), "BASETEN_API_KEY": api_key or ""}
    stop_seconds = settings.finish_seconds + _STOP_SECONDS
    with _process(command, variables, state.log, stop_seconds=stop_seconds) as process:
        seconds = _READY_SECONDS + (_INSTALL_SECONDS if install else 0)
        processes = _wait_until_ready(process, state, seconds)
        for_companion = state.read_environment()
        yield LocalBaseten(
            base_url=processes.base_url,
            api_key=for_companion["BASETEN_API_KEY"],
            environment=for_companion,
            state_directory=state.path,
            log=state.log,
        )


@contextlib.contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], log: Path, *, stop_seconds: float
) -> Iterator[subprocess.Popen[bytes]]:
    log.touch(mode=0o600)  # before anything is written: it begins with the keys
    process = None
    try:
        with log.open("ab") as output, signals_held_back():
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        yield process
    finally:
        if process is not None:
            _end(process, stop_seconds)


def _end(process: subprocess.Popen[bytes], stop_seconds: float) -> None:
    assert process.stdin is not None
    # The child ends at this end of file, which also comes when this process is killed.
    process.stdin.close()
    try:
        process.wait(stop_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """SIGINT and SIGTERM are handled when the block has ended, in the main thread.

    A process is started in such a block: an exception between its start and its being known would
    leave nobody to end it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if callable(handler):  # a child inherits what is ignored, not what is handled
            signal.signal(number, lambda number, _: held.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


def _wait_until_ready(
    process: subprocess.Popen[bytes], state: StateDirectory, seconds: float
) -> Processes:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        processes = state.read_processes()
        if processes and processes.stand_in == process.pid:
            if processes.model_is_ready:
                return processes
            if processes.failed_starts >= _FAILED_STARTS:
                break
        time.sleep(_POLL_SECONDS)
    tail = "\n".join(state.log.read_text(errors="replace").splitlines()[-20:])
    raise NotRunningError(f"the stand-in does not come up; its log ends:\n{tail}")
