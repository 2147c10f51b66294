"""A deployment whose bucket is real and whose queue and model are a few lines."""

import contextlib
import datetime
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from obstore.store import MemoryStore
from typer.testing import CliRunner

from local_baseten.buckets.s3 import BucketServer
from outbox_client import Deployment, Journal, Naming
from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.clock import Clock
from outbox_client.commands.app import app
from tests.outbox_client.fake_service import FakeService
from tests.outbox_client.http_service import API_KEY, Faults, running_service
from truss_outbox.contract.keys import KeyTemplate
from truss_outbox.contract.root import Root
from truss_outbox.retrying import without_pauses
from truss_outbox.stores import S3Options
from truss_outbox.stores.s3.client import connect
from truss_outbox.stores.s3.store import S3Store

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@pytest.fixture(autouse=True)
def _quick_retries() -> Iterator[None]:
    """Repetitions without their pauses."""
    with without_pauses(tries=3):
        yield


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept where the commands of whoever runs the tests keep it."""
    home = tmp_path_factory.getbasetemp() / "outbox-home"
    monkeypatch.setenv("OUTBOX_HOME", str(home))


@pytest.fixture
def job() -> str:
    return f"job-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def root(seaweedfs: BucketServer) -> str:
    """A place of its own for each test."""
    return f"{seaweedfs.root}/client/{uuid.uuid4().hex[:8]}"


@pytest.fixture
def bucket_environment(seaweedfs: BucketServer, monkeypatch) -> dict[str, str]:
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    return seaweedfs.environment


@pytest.fixture
def bucket(seaweedfs: BucketServer, bucket_environment, root: str) -> Bucket:
    return open_bucket(root, endpoint_url=seaweedfs.endpoint_url)


@pytest.fixture
def memory_bucket() -> Bucket:
    return Bucket(MemoryStore(), root="s3://scans/outbox")


@pytest.fixture
def naming() -> Naming:
    return Naming(template=KeyTemplate.parse("job={job}/{item}"))


@pytest.fixture(scope="session")
def shared_client(seaweedfs_options: S3Options) -> Iterator["S3Client"]:
    client = connect(seaweedfs_options)
    yield client
    client.close()


@pytest.fixture
def service(
    root: str,
    naming: Naming,
    shared_client: "S3Client",
    seaweedfs_options: S3Options,
    tmp_path: Path,
) -> FakeService:
    place = Root.parse(root)
    store = S3Store(shared_client, place.bucket, place.prefix, seaweedfs_options)
    return FakeService(store, naming, tmp_path / "model")


@pytest.fixture
def deployment(bucket: Bucket, naming: Naming, service: FakeService) -> Deployment:
    return Deployment(api=service, bucket=bucket, naming=naming)


@pytest.fixture
def journal(tmp_path: Path, job: str, root: str, seaweedfs: BucketServer) -> Iterator[Journal]:
    """The one that the commands have, too."""
    endpoint = seaweedfs.endpoint_url
    with Journal.opened(
        tmp_path / "home", job=job, root=root, endpoint=endpoint, create=True
    ) as journal:
        yield journal


class SteppingTime:
    """A clock that moves only when somebody sleeps; `on_sleep` is what happens meanwhile."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.set_by = 0.0
        self.slept: list[float] = []
        self.on_sleep = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        self.on_sleep()

    def jump(self, seconds: float) -> None:
        """Somebody sets the clock; no time has passed."""
        self.set_by += seconds

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.now + self.set_by, sleep=self.sleep, elapsed=lambda: self.now)


@pytest.fixture
def time() -> SteppingTime:
    return SteppingTime()


@pytest.fixture
def sweep_time() -> datetime.datetime:
    """By which everything in the bucket is old."""
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder with two documents and one below."""
    folder = tmp_path / "documents"
    (folder / "more").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"alpha")
    (folder / "b.txt").write_bytes(b"beta")
    (folder / "more" / "c.txt").write_bytes(b"gamma")
    (folder / ".hidden").write_bytes(b"not a document")
    return folder


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def base_url(service: FakeService, faults: Faults) -> Iterator[str]:
    with running_service(service, faults) as url:
        yield url


@pytest.fixture
def machine(tmp_path, root, base_url):
    """What a command needs in its environment, on a machine that is named by its home."""

    def machine(home="home"):
        return {
            "OUTBOX_ROOT": root,
            "OUTBOX_HOME": str(tmp_path / home),
            "OUTBOX_BASE_URL": base_url,
            "BASETEN_API_KEY": API_KEY,
        }

    return machine


@pytest.fixture
def outbox(machine, bucket_environment):
    """Runs a command with everything configured; keyword arguments change the environment."""

    def outbox(*arguments, **changes):
        result = CliRunner().invoke(
            app, [str(argument) for argument in arguments], env=machine() | changes
        )
        assert "Traceback" not in result.output
        secrets = {API_KEY, bucket_environment["AWS_SECRET_ACCESS_KEY"]}
        assert not [secret for secret in secrets if secret in result.output]
        return result

    return outbox


@pytest.fixture
def companion(machine, bucket_environment):
    """Starts `outbox` as a process of its own, on this machine or another."""
    with contextlib.ExitStack() as stack:

        def start(*arguments, home="home"):
            process = subprocess.Popen(
                [sys.executable, "-m", "outbox_client", *map(str, arguments)],
                env={**os.environ, **machine(home)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start
