"""The worker processes: ready before they are needed, used again, ended when in doubt."""

import atexit
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe
from typing import Any, Self

from .messages import Call, Channel, unnamed_file

START_SECONDS = 60.0
_MAX_IDLE = 4
_TRIES = 3
_VARIABLES = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "TMPDIR", "TZ")
"""Of the environment, which holds secrets, a worker has no others than these."""
_ONE_THREAD = {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Each thread takes address space of its own, which is what is bounded."""


class WorkerError(RuntimeError):
    """The function raised an error of its own, or the worker did not come up. For the log."""


class WorkerEndedError(Exception):
    """`how` says by what."""

    def __init__(self, how: str) -> None:
        self.how = how
        super().__init__(how)


class WorkerProcess:
    """One process, seen from the server's side."""

    def __init__(self, function: Callable[..., Any]) -> None:
        own, its = Pipe()
        self._channel = Channel(connection=own, file=unnamed_file())
        self._seen = {_name(function): function}
        try:
            with its:
                self._process = _starting.submit(_start, its.fileno(), self._channel.file).result()
        except BaseException:
            self._channel.close()
            raise

    @classmethod
    def prepared(cls, function: Callable[..., Any], call: Call) -> Self:
        """Which imports what such a call needs, before one comes."""
        worker = cls(function)
        worker._channel.connection.send_bytes(pickle.dumps(replace(call, is_made=False)))
        return worker

    def can_call(self, function: Callable[..., Any]) -> bool:
        """Whether it is there, and knows the function as it is: a hot reload changes it."""
        known = self._seen.setdefault(_name(function), function)
        return known is function and self._process.poll() is None

    def tell(self, message: bytes, *, seconds: float) -> tuple[Any, ...]:
        """What it answers. Raises WorkerEndedError, TimeoutError and WorkerError."""
        connection = self._channel.connection
        if seconds <= 0:  # it might answer all the same
            raise TimeoutError
        try:
            connection.send_bytes(message)
            if connection.poll(seconds):
                return self._channel.receive_values()
        except (EOFError, OSError):
            raise WorkerEndedError(self._how_it_ended()) from None
        except Exception as error:
            # Nothing of the message: where the worker is not itself any more, it is anybody's.
            raise WorkerError("what a function run isolated gives are plain values") from error
        raise TimeoutError

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self.kill()
        self._process.wait()
        self._channel.close()

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "no answer"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class Workers:
    """Those that are idle, for whoever needs one next."""

    def __init__(self) -> None:
        self._idle: list[WorkerProcess] = []
        self._lock = threading.Lock()

    def take(self, function: Callable[..., Any], call: Call) -> WorkerProcess:
        """One that has imported the function and waits to be told to go on. Raises WorkerError."""
        how = ""
        for _ in range(_TRIES):
            worker = self._take(function)
            try:
                kind, *details = worker.tell(pickle.dumps(call), seconds=START_SECONDS)
            except (TimeoutError, WorkerEndedError) as error:
                # It had not looked at the input: somebody else ended it.
                worker.close()
                how = str(error) or "no answer"
            else:
                if kind == "ready":
                    return worker
                self.give_back(worker)
                raise WorkerError(*details)
        raise WorkerError(f"a process to run {function.__qualname__} in does not start ({how})")

    def give_back(self, worker: WorkerProcess) -> None:
        with self._lock:
            if len(self._idle) < _MAX_IDLE:
                self._idle.append(worker)
                return
        worker.close()

    def replace(self, worker: WorkerProcess, function: Callable[..., Any], call: Call) -> None:
        """End it, and have another ready for the next request."""
        worker.close()
        with suppress(OSError):  # else the next request starts one
            self.give_back(WorkerProcess.prepared(function, call))

    def close(self) -> None:
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _take(self, function: Callable[..., Any]) -> WorkerProcess:
        while True:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            if worker is None:
                return WorkerProcess(function)
            if worker.can_call(function):
                return worker
            worker.close()


# A system ends the children of the thread that started them: this one lasts.
_starting = ThreadPoolExecutor(1, thread_name_prefix="outbox-workers")


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def import_path() -> tuple[str, ...]:
    return tuple(part or os.getcwd() for part in sys.path)  # noqa: PTH109


def _start(connection: int, file: int) -> "subprocess.Popen[bytes]":
    environment = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    arguments = [f"{__package__}.worker", str(connection), str(file), str(os.getpid())]
    return subprocess.Popen(  # never a fork of the server, which has threads
        [sys.executable, "-P", "-m", *arguments],
        env=environment | _ONE_THREAD | {"PYTHONPATH": os.pathsep.join(import_path())},
        # Decoders' complaints quote what they decode.
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(connection, file),
    )


WORKERS = Workers()
atexit.register(WORKERS.close)
