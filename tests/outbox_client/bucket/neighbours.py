"""A job in a bucket of any kind, with what others have put between its records."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import boto3
import httpx
import pytest

from outbox_client import Naming
from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from tests.outbox_client.fake_service import FakeService
from truss_outbox.stores import GcsOptions, S3Options, open_store

Put = Callable[[str, bytes], None]

FOREIGN = {
    "manifests/": [
        *("", "job=J/", "job=J/sub/", "job=J/a.json/", "job=J/a.json/notes.txt"),
        *("job=J/README", "job=J/a b.json", "job=J/ü.json", "job=J/a%2fb.json", "job=J/.x.json"),
        *("job=J/x//y.json", "job=J/./y.json", "job=J/bell\a.json", "job=J/-rf *.json"),
        *("job=J/torn.json", "job=J/empty.json"),
    ],
    "failures/": ["job=J/", "job=J/notes.txt", "job=J/a//b.json", "job=J/x/0123abcd.json"],
    "index/": ["job=J/", "job=J/notes.txt", "job=J/part-1.parquet"],
    "artifacts/": ["", "job=J/", "mine.txt", "job=J/a//x", "job=J/a/0123abcd/"],
    "probes/": ["", "notes.txt", "a//12345678"],
    "jobs/": ["", "notes.txt"],
    "inputs/": ["", "notes.txt"],
}
"""What lies under each prefix, below it; what cannot be there on a server is left out."""

LISTED = {
    "fetch": ["manifests/job=J/"],
    "index": ["manifests/job=J/", "index/job=J/"],
    "report": ["manifests/job=J/", "failures/job=J/", "index/job=J/"],
    "presign": ["manifests/job=J/"],
    "sweep": ["artifacts/", "probes/"],
}
"""Which prefixes each command lists."""


@dataclass(kw_only=True)
class Neighbours:
    """`foreign` are the keys that were put there."""

    bucket: Bucket
    service: FakeService
    put: Put
    environment: dict[str, str]
    foreign: list[str] = field(default_factory=list)

    def move_in(self) -> None:
        for prefix, keys in FOREIGN.items():
            for key in keys:
                empty = not key or key.endswith("/") or "empty" in key
                with contextlib.suppress(RefusedError):
                    self.put(prefix + key, b"" if empty else b"{")
                    self.foreign.append(prefix + key)

    def below(self, prefixes: list[str]) -> set[str]:
        return {key for key in self.foreign if key.startswith(tuple(prefixes))}


class RefusedError(Exception):
    """The server keeps no such key."""


def opened(kind: str, request: pytest.FixtureRequest, naming: Naming, name: str) -> Neighbours:
    """`kind`: a server or a directory."""
    folder: Path = request.getfixturevalue("tmp_path")
    match kind:
        case "directory":
            root, options = f"file://{folder}/{name}", None
            put = into_directory(folder / name)
        case "fake-gcs-server":
            root, options = f"gs://outbox/{name}", request.getfixturevalue("gcs_options")
            put = into_gcs(options, name)
        case _:
            root = f"s3://outbox/{name}"
            options = request.getfixturevalue(f"{kind}_options")
            put = into_s3(options, name, collapses=kind == "seaweedfs")
    endpoint_url = options.endpoint_url if options else None
    environment = {"OUTBOX_ROOT": root}
    if endpoint_url:
        environment["OUTBOX_ENDPOINT_URL"] = endpoint_url
    if isinstance(options, S3Options):
        environment["AWS_ACCESS_KEY_ID"] = options.access_key_id or ""
        environment["AWS_SECRET_ACCESS_KEY"] = options.secret_access_key or ""
        patch = request.getfixturevalue("monkeypatch")
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(variable, environment[variable])
    store = open_store(
        root,
        s3=options if isinstance(options, S3Options) else S3Options(),
        gcs=options if isinstance(options, GcsOptions) else GcsOptions(),
    )
    return Neighbours(
        bucket=open_bucket(root, endpoint_url=endpoint_url),
        service=FakeService(store, naming, folder / f"model-of-{name}"),
        put=put,
        environment=environment,
    )


def into_directory(folder: Path) -> Put:
    def put(key: str, data: bytes) -> None:
        path = folder / key
        if key.endswith("/") or Path(key).as_posix() != key or path.parent.is_file():
            raise RefusedError
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return put


def into_gcs(options: GcsOptions, name: str) -> Put:
    def put(key: str, data: bytes) -> None:
        address = f"{options.endpoint_url}/upload/storage/v1/b/outbox/o?uploadType=media"
        answer = httpx.post(f"{address}&name={quote(f'{name}/{key}', safe='')}", content=data)
        if not answer.is_success:
            raise RefusedError

    return put


def into_s3(options: S3Options, name: str, *, collapses: bool) -> Put:
    client = boto3.client(
        "s3",
        endpoint_url=options.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=options.access_key_id,
        aws_secret_access_key=options.secret_access_key,
    )

    def put(key: str, data: bytes) -> None:
        # SeaweedFS makes one of `a//b`, `a\b` and `a/b`.
        if collapses and ("//" in key or "\\" in key):
            raise RefusedError
        try:
            client.put_object(Bucket="outbox", Key=f"{name}/{key}", Body=data)
        except client.exceptions.ClientError as error:
            raise RefusedError from error

    return put
