"""Where a request is brought into trouble. Another kind of store is one line in PLACES."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from model.artifacts import ObjectStore, open_store
from model.artifacts.stores import S3Options


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A root that several stores, also of other processes, can be opened on."""

    root: str
    options: S3Options | None = None

    def open(self) -> ObjectStore:
        return open_store(self.root, s3=self.options)


PLACES: dict[str, Callable[[pytest.FixtureRequest, str], Place]] = {
    "directory": lambda request, name: Place(
        root=f"file://{request.getfixturevalue('tmp_path')}/{name}"
    ),
    "seaweedfs": lambda request, name: Place(
        root=f"s3://outbox/faults-{name}", options=request.getfixturevalue("seaweedfs_options")
    ),
}


def all_keys(place: Place) -> list[str]:
    """Every object's key, sorted; found without the store under test."""
    scheme, _, rest = place.root.partition("://")
    match scheme:
        case "file":
            files = (path for path in Path(rest).rglob("*") if path.is_file())
            keys = (path.relative_to(rest).as_posix() for path in files)
            return sorted(key for key in keys if not key.startswith(".tmp/"))
        case "s3":
            bucket, _, prefix = rest.partition("/")
            return sorted(_listed(place.options or S3Options(), bucket, f"{prefix}/"))
        case _:
            raise ValueError(f"add {scheme} here")


def _listed(options: S3Options, bucket: str, prefix: str) -> Iterator[str]:
    client = boto3.client(
        "s3",
        endpoint_url=options.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=options.access_key_id,
        aws_secret_access_key=options.secret_access_key,
    )
    with contextlib.closing(client):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            yield from (entry["Key"].removeprefix(prefix) for entry in page.get("Contents", []))
