"""The whole way on one machine: stand-in, real Truss server, real bucket behind a door."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local_baseten.buckets.s3 import BucketServer
from local_baseten.running import LocalBaseten, running_locally
from tests.end_to_end.reading import Bucket
from tests.end_to_end.s3_proxy import S3Proxy, running_proxy
from tests.tiny_truss import make_tiny_truss

PREFIX = "end-to-end"


@pytest.fixture(scope="session")
def tiny_truss(tmp_path_factory) -> Path:
    return make_tiny_truss(tmp_path_factory.mktemp("truss"), store_timeout_seconds=8)


@pytest.fixture(scope="session")
def proxy(seaweedfs: BucketServer) -> Iterator[S3Proxy]:
    with running_proxy(seaweedfs.endpoint_url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def model_environment(seaweedfs: BucketServer, proxy: S3Proxy) -> dict[str, str]:
    """What the Truss server is started with."""
    return {
        "OUTBOX_ROOT": f"s3://outbox/{PREFIX}",
        "OUTBOX_ENDPOINT_URL": proxy.url,
        "TRUSS_SECRET_aws_access_key_id": seaweedfs.access_key_id,
        "TRUSS_SECRET_aws_secret_access_key": seaweedfs.secret_access_key,
    }


# Ended with the last test of this package: an idle server takes a hundredth of a processor.
@pytest.fixture(scope="package")
def local(tmp_path_factory, tiny_truss, model_environment) -> Iterator[LocalBaseten]:
    """The tiny Truss behind a stand-in that sends up to four requests at once."""
    with running_locally(
        tiny_truss,
        state_directory=tmp_path_factory.mktemp("state"),
        concurrency_target=4,
        environment=model_environment,
    ) as running:
        yield running


@pytest.fixture(scope="session")
def bucket(seaweedfs: BucketServer) -> Iterator[Bucket]:
    with seaweedfs.client() as client:
        yield Bucket(client, "outbox", PREFIX)


@pytest.fixture
def job() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def api(local: LocalBaseten) -> Iterator[httpx.Client]:
    """Plain HTTP, as any client would speak it."""
    headers = {"Authorization": f"Api-Key {local.api_key}"}
    with httpx.Client(base_url=local.base_url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A directory that the tiny inference waits for; it is opened by a file called `open`."""
    path = tmp_path / "gate"
    path.mkdir()
    return path
