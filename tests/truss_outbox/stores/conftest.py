"""A store of every kind. A new kind, or another server, is one more line in STORES.

`OUTBOX_LIVE_ROOTS=s3://bucket/prefix,gs://… scripts/test -m live tests/artifacts` runs the same
tests on any bucket, with the credentials its SDK finds; OUTBOX_ENDPOINT_URL and OUTBOX_REGION go
with them.
"""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from truss_outbox.stores import GcsOptions, ObjectStore, S3Options, open_store

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


LIVE_ROOTS = [root for root in os.environ.get("OUTBOX_LIVE_ROOTS", "").split(",") if root]


MOTO = pytest.param("moto", marks=pytest.mark.slow)
"""Says once more what SeaweedFS says: both speak S3's API."""

KINDS = [
    *(kind for kind in STORES if kind != "moto"),
    MOTO,
    *(pytest.param(root, marks=pytest.mark.live) for root in LIVE_ROOTS),
]


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest) -> ObjectStore:
    """An empty store. What a test leaves in a live one lies below `contract-…` in its root."""
    if request.param in STORES:
        return STORES[request.param](request, uuid.uuid4().hex)
    endpoint_url, region = (os.environ.get(f"OUTBOX_{name}") for name in ("ENDPOINT_URL", "REGION"))
    return open_store(
        f"{request.param.rstrip('/')}/contract-{uuid.uuid4().hex}",
        s3=S3Options(endpoint_url=endpoint_url, region=region),
        gcs=GcsOptions(endpoint_url=endpoint_url),
    )


def _directory(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue("tmp_path")
