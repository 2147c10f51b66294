"""One process of the Truss inference server, on loopback and a port of its own."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import launcher
from .launcher import SECRET_HEADER
from .layout import TrussLayout

_STOP_SECONDS = 3.0
_LINE_BYTES = 1 << 20

# Of this machine's environment the model gets little, as in its container: what a model needs
# to find its bucket, its credentials and its GPU.
_PASSED_ON = frozenset({"PATH", "LANG", "TZ", "LD_LIBRARY_PATH", "OMP_NUM_THREADS"})
_PASSED_ON_PREFIXES = (
    *("OUTBOX_", "TRUSS_SECRET_", "AWS_", "GOOGLE_", "STORAGE_EMULATOR_"),
    *("LC_", "SSL_CERT_", "CUDA_", "NVIDIA_"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrussProcess:
    """A started process, whose server answers at `url` once it is up, who sends the `headers`."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    process: asyncio.subprocess.Process

    @property
    def log(self) -> asyncio.StreamReader:
        assert self.process.stdout is not None
        return self.process.stdout


@contextlib.asynccontextmanager
async def running_truss(
    layout: TrussLayout,
    *,
    environment: Mapping[str, str],
    state_directory: Path,
    secret: str | None = None,
) -> AsyncIterator[TrussProcess]:
    """Start the server; end it, and all it has started, with the block or with this process.

    It answers requests that show the `secret` alone, by default a new one. Its HOME and TMPDIR lie
    in `state_directory`; the latter is emptied first.
    """
    secret = secret or secrets.token_urlsafe()
    home, temporary = state_directory / "home", state_directory / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    for directory in (home, temporary):
        directory.mkdir(parents=True, exist_ok=True)
    # A failed load leaves a file in HOME, and a model shall not rely on the user's files.
    own = {"HOME": str(home), "TMPDIR": str(temporary)}
    variables = {**_passed_on(layout.python), **layout.environment, **environment, **own}
    # Bound here, listening there: no other program can get between, and a connection is refused
    # at once until the server listens.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = await _start(layout, variables, listener.fileno())
    try:
        assert process.stdin is not None
        process.stdin.write(f"{secret}\n".encode())
        yield TrussProcess(url=url, headers={SECRET_HEADER: secret}, process=process)
    finally:
        await _end(process)


async def _start(
    layout: TrussLayout, environment: Mapping[str, str], descriptor: int
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(layout.python, launcher.__file__, str(descriptor)),
        cwd=layout.directory,
        env=environment,
        stdin=asyncio.subprocess.PIPE,  # kept open: the launcher ends at its end of file
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        pass_fds=[descriptor],
        start_new_session=True,  # Ctrl-C is for the parent, which then ends the server
        limit=_LINE_BYTES,
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _passed_on(python: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }
    # What the model starts by the name of `python` is to be its own.
    kept["PATH"] = os.pathsep.join([str(python.parent), kept.get("PATH", os.defpath)])
    for name, file in (("SHARED_CREDENTIALS", "credentials"), ("CONFIG", "config")):
        path = Path("~/.aws", file).expanduser()
        if path.exists():
            kept.setdefault(f"AWS_{name}_FILE", str(path))
    return kept
