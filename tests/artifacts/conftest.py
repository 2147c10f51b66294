"""A store of every kind. A new kind, or another server, is one more line in STORES."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from model.artifacts import ObjectStore, open_store

STORES: dict[str, Callable[[pytest.FixtureRequest, str], ObjectStore]] = {
    "memory": lambda _, name: open_store(f"memory://{name}"),
    "directory": lambda request, name: open_store(f"file://{_directory(request)}/{name}"),
    "seaweedfs": lambda request, name: open_store(
        f"s3://outbox/{name}", s3=request.getfixturevalue("seaweedfs_options")
    ),
    "fake-gcs-server": lambda request, name: open_store(
        f"gs://outbox/{name}", gcs=request.getfixturevalue("gcs_options")
    ),
    "moto": lambda request, name: open_store(
        f"s3://outbox/{name}", s3=request.getfixturevalue("moto_options")
    ),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> ObjectStore:
    """An empty store."""
    return STORES[request.param](request, uuid.uuid4().hex)


def _directory(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue("tmp_path")
