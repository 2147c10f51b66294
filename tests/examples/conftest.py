"""The examples behind the stand-in, in the real Truss server, with a real bucket."""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from local_baseten.buckets.s3 import BucketServer
from local_baseten.running import LocalBaseten, running_locally
from tests.end_to_end.asking import final_status
from tests.end_to_end.reading import Bucket
from tests.tiny_truss import PROJECT
from truss_outbox.contract.manifest import Manifest

PREFIX = "examples"


@pytest.fixture(scope="session")
def bucket(seaweedfs: BucketServer) -> Iterator[Bucket]:
    with seaweedfs.client() as client:
        yield Bucket(client, "outbox", PREFIX)


@pytest.fixture
def job() -> str:
    return uuid.uuid4().hex


@dataclass
class Example:
    """An example that runs, and the bucket in which it stores."""

    local: LocalBaseten
    api: httpx.Client
    bucket: Bucket
    environment: dict[str, str]
    """What the stand-in tells a companion."""

    def run(self, commands: str) -> str:
        """A page's commands, in a shell in which `outbox` is one."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-e", "-c", commands],
            cwd=PROJECT,
            env={**os.environ, **self.environment, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def predict(self, model_input: Any) -> httpx.Response:
        return self.api.post("/production/predict", json=model_input)

    def store(self, job: str, item: str, model_input: dict[str, Any]) -> Manifest:
        """Send a request, and wait for its manifest."""
        body = {"model_input": model_input | {"metadata": {"job": job, "item": item}}}
        answer = self.api.post("/production/async_predict", json=body)
        assert answer.status_code == 201, answer.text
        status = final_status(self.api, answer.json()["request_id"], seconds=180)
        assert status["status"] == "SUCCEEDED", status
        assert self.bucket.damage(job) == []
        return next(one for one in self.bucket.manifests(job) if one.item == item)

    def file(self, manifest: Manifest, name: str) -> str:
        return self.bucket.get(f"artifacts/{manifest.key}/{manifest.attempt}/{name}").decode()


@pytest.fixture(scope="session")
def serving(
    seaweedfs: BucketServer, bucket: Bucket, tmp_path_factory
) -> Callable[[str], AbstractContextManager[Example]]:
    """Runs an example, by its folder's name."""
    root = f"s3://{bucket.name}/{PREFIX}"
    for_model = {
        "OUTBOX_ROOT": root,
        "OUTBOX_ENDPOINT_URL": seaweedfs.endpoint_url,
        "TRUSS_SECRET_aws_access_key_id": seaweedfs.access_key_id,
        "TRUSS_SECRET_aws_secret_access_key": seaweedfs.secret_access_key,
    }

    @contextlib.contextmanager
    def serving(name: str) -> Iterator[Example]:
        state, home = tmp_path_factory.mktemp(name), str(tmp_path_factory.mktemp("home"))
        truss = PROJECT / "scripts" / "examples" / name
        with running_locally(truss, state_directory=state, environment=for_model) as local:
            told = {**seaweedfs.environment, **local.environment, "OUTBOX_ROOT": root}
            headers = {"Authorization": f"Api-Key {local.api_key}"}
            with httpx.Client(base_url=local.base_url, headers=headers, timeout=120) as api:
                yield Example(local, api, bucket, {**told, "OUTBOX_HOME": home})

    return serving
