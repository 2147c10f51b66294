"""An S3 bucket on a folder, for as long as it is needed."""

import contextlib
import json
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .. import tether
from ..errors import BucketError
from ..state_directory import make_private, write_private
from .seaweedfs import LOG, free_ports, running_seaweedfs

if TYPE_CHECKING:
    from botocore.config import Config
    from types_boto3_s3 import S3Client

NAME = "outbox"

_CREDENTIALS = "credentials.json"
_PORT = "port"
_START_ATTEMPTS = 4
_READY_SECONDS = 30
_POLL_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketServer:
    """Where a running bucket answers, and the key pair it accepts. `pid` is its guard's."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    pid: int

    @property
    def root(self) -> str:
        return f"s3://{NAME}"

    @property
    def environment(self) -> dict[str, str]:
        """What a process on this machine needs to use the bucket."""
        return {
            "OUTBOX_ROOT": self.root,
            "OUTBOX_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }

    @contextlib.contextmanager
    def client(self, config: "Config | None" = None) -> Iterator["S3Client"]:
        """As boto3 gives it to anybody, unless `config` says otherwise."""
        import boto3  # noqa: PLC0415  # 0.3 seconds, spent while the server starts

        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=config,
        )
        with contextlib.closing(client):
            yield client


@contextlib.contextmanager
def running_bucket(directory: Path) -> Iterator[BucketServer]:
    """An S3 server with the bucket `outbox`, empty or as it was left, its data in `directory`.

    Listens on 127.0.0.1 and ports of its own. The key pair, and S3's port as far as it is free, are
    kept in the directory: opened again, it is the same bucket. Ends with the block, or with this
    process.
    Raises BucketError: the directory is in use, no `weed` program, or the server fails.
    """
    directory = directory.resolve()
    make_private(directory, _CREDENTIALS, _PORT, LOG, "lock")
    pair = _credentials(directory / _CREDENTIALS)
    for remaining in reversed(range(_START_ATTEMPTS)):
        ports = _ports(directory / _PORT)
        with running_seaweedfs(
            directory, ports, bucket=NAME, credentials_file=_CREDENTIALS
        ) as process:
            bucket = BucketServer(
                endpoint_url=f"http://127.0.0.1:{ports[0]}",
                access_key_id=pair["accessKey"],
                secret_access_key=pair["secretKey"],
                pid=process.pid,
            )
            if _becomes_ready(bucket, process):
                write_private(directory / _PORT, f"{ports[0]}\n")
                yield bucket
                return
        # Another program may have taken a port since it was found free: then try others.
        if process.returncode == tether.IN_USE:
            raise BucketError(f"{directory} is in use by another bucket: choose another directory")
        if not remaining:
            tail = (directory / LOG).read_text(errors="replace").splitlines()[-10:]
            raise BucketError("\n".join(["SeaweedFS does not come up; its last words:", *tail]))


def _ports(kept: Path) -> list[int]:
    """Free ones, the first as it was before where that is free again: who sent a job to the bucket
    finds it at the same address."""
    ports = free_ports()
    with contextlib.suppress(OSError, ValueError, OverflowError), socket.socket() as candidate:
        # As servers do: a connection that has just ended does not hold the port.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        candidate.bind(("127.0.0.1", int(kept.read_text())))
        ports[0] = candidate.getsockname()[1]
    return ports


def _credentials(path: Path) -> dict[str, str]:
    """The key pair in SeaweedFS's own configuration file, made at the first start."""
    if not path.exists():
        pair = {"accessKey": secrets.token_hex(10), "secretKey": secrets.token_urlsafe(30)}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": NAME, "credentials": [pair], "actions": actions}
        write_private(path, json.dumps({"identities": [identity]}))
    kept: dict[str, str] = json.loads(path.read_text())["identities"][0]["credentials"][0]
    return kept


def _becomes_ready(bucket: BucketServer, process: subprocess.Popen[bytes]) -> bool:
    """Waits until the bucket takes an object: its S3 side answers before its volumes do."""
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    config = Config(
        connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1}, proxies={}
    )
    deadline = time.monotonic() + _READY_SECONDS
    with bucket.client(config) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                client.put_object(Bucket=NAME, Key=".ready", Body=b"ready")
                client.delete_object(Bucket=NAME, Key=".ready")
            except (BotoCoreError, ClientError):
                time.sleep(_POLL_SECONDS)
            else:
                return True
    return False
