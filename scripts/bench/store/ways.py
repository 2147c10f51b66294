"""Ways to store a result, to be compared: the model's, and those that the SDKs' users know."""

import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client, transfer_manager

from local_baseten.buckets.s3 import NAME
from truss_outbox.contract.keys import artifact_key, manifest_key, new_attempt
from truss_outbox.contract.manifest import Manifest
from truss_outbox.stores import GcsOptions, ObjectStore
from truss_outbox.stores.commit import commit
from truss_outbox.stores.upload import upload_artifacts

from ..measuring import manifest_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

THREADS = 8
SMALL_BYTES = 1 << 20

Put = Callable[[str, Path], None]
Send = Callable[[Mapping[str, Path]], None]
Way = Callable[[Mapping[str, Path], Manifest], object]
"""Stores files under the manifest's key, and the manifest last, create-only."""


def store_as_model(store: ObjectStore, files: Mapping[str, Path], manifest: Manifest) -> None:
    commit(store, upload_artifacts(store, files, manifest))


def keys_of(files: Mapping[str, Path], manifest: Manifest) -> dict[str, Path]:
    return {artifact_key(manifest.key, manifest.attempt, name): files[name] for name in files}


def new_manifest() -> Manifest:
    """Of a result that has no artifacts yet."""
    return manifest_of("bench", uuid.uuid4().hex, attempt=new_attempt(), artifacts=[])


def boto3_ways(client: "S3Client") -> dict[str, Way]:
    def put(key: str, path: Path) -> None:
        if path.stat().st_size <= SMALL_BYTES:  # as bytes, boto3 does not ask before it sends them
            client.put_object(Bucket=NAME, Key=key, Body=path.read_bytes())
            return
        with path.open("rb") as file:
            client.put_object(Bucket=NAME, Key=key, Body=file)

    def upload(key: str, path: Path) -> None:
        client.upload_file(str(path), NAME, key)

    def create(key: str, data: bytes) -> None:
        client.put_object(Bucket=NAME, Key=key, Body=data, IfNoneMatch="*")

    senders: dict[str, Send] = {
        "put_object": partial(_one_by_one, put),
        f"put_object, {THREADS} threads": partial(_in_threads, put),
        "upload_file": partial(_one_by_one, upload),
    }
    return {name: partial(_send, send, create) for name, send in senders.items()}


def gcs_ways(url: str) -> dict[str, Way]:
    """`url` is an emulator's: no credentials."""
    options = {"api_endpoint": url}
    client = Client(project="p", credentials=AnonymousCredentials(), client_options=options)
    bucket, part_bytes = client.bucket(NAME), GcsOptions().gcs_part_bytes

    def put(key: str, path: Path, *, part_bytes: int | None = None) -> None:
        bucket.blob(key, chunk_size=part_bytes).upload_from_filename(str(path))

    def upload_many(files: Mapping[str, Path]) -> None:
        pairs = [(str(path), bucket.blob(key)) for key, path in files.items()]
        transfer_manager.upload_many(
            pairs, worker_type=transfer_manager.THREAD, max_workers=THREADS, raise_exception=True
        )

    def create(key: str, data: bytes) -> None:
        bucket.blob(key).upload_from_string(data, if_generation_match=0)

    senders: dict[str, Send] = {
        "upload_from_filename": partial(_one_by_one, put),
        f"the same, {part_bytes >> 20} MiB parts": partial(
            _one_by_one, partial(put, part_bytes=part_bytes)
        ),
        f"the same, {THREADS} threads": partial(_in_threads, put),
        "transfer_manager": upload_many,
    }
    return {name: partial(_send, send, create) for name, send in senders.items()}


def _send(
    send: Send,
    create: Callable[[str, bytes], None],
    files: Mapping[str, Path],
    manifest: Manifest,
) -> None:
    send(keys_of(files, manifest))
    create(manifest_key(manifest.key), manifest.to_bytes())


def _one_by_one(put: Put, files: Mapping[str, Path]) -> None:
    for key, path in files.items():
        put(key, path)


def _in_threads(put: Put, files: Mapping[str, Path]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, files.keys(), files.values()))
