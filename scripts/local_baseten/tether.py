"""Run a program that ends when its parent does: `python tether.py LOCK_FILE PROGRAM ARGUMENT...`.

The parent holds the other end of this process's standard input and never writes to it. When the
parent is gone, even by kill -9, the end of file arrives here and the program is ended. (Linux's
PR_SET_PDEATHSIG would do so too, but there alone, and it fires when the *thread* ends that
started the child.) LOCK_FILE is locked as long as the program runs. Standard library only.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

IN_USE = 75
"""Exit code: another program holds the lock."""

_GRACE_SECONDS = 2


def main() -> int:
    lock_file, *command = sys.argv[1:]
    with Path(lock_file).open("ab") as lock:
        if not acquire(lock, seconds=5):
            return IN_USE
        # The program inherits the lock: it stays held should this process be killed.
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[lock.fileno()])
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: program.terminate())
        threading.Thread(target=_end_with_parent, args=[program], daemon=True).start()
        return program.wait()


@contextlib.contextmanager
def tethered(
    command: Sequence[str | Path],
    *,
    directory: Path,
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run it in `directory`, whose `lock` it holds; it ends with the block or with this process.

    What it writes is for its owner alone. Yields the guard, this module as a program; its exit code
    is IN_USE where the lock is held.
    """
    log.touch(mode=0o600)
    with log.open("wb") as output:
        guard = subprocess.Popen(
            [sys.executable, "-IS", __file__, "lock", *command],
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for its parent, which still needs the program
            umask=0o077,
        )
    try:
        yield guard
    finally:
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait()


def acquire(lock: BinaryIO, *, seconds: float) -> bool:
    """Lock the open file; waits so long for a previous owner that is just ending."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True


def _end_with_parent(program: subprocess.Popen[bytes]) -> None:
    os.read(0, 1)  # never written: it returns at the end of file
    program.terminate()
    try:
        program.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()


if __name__ == "__main__":
    sys.exit(main())
