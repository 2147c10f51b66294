"""The bytes of a result sent with google-cloud-storage alone, in the ways its users know."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Bucket, Client, transfer_manager

from local_baseten.buckets.s3 import NAME
from truss_outbox.contract import Manifest
from truss_outbox.contract.keys import manifest_key
from truss_outbox.stores import GcsOptions

from .ways import THREADS, Way, keys_of

Sender = Callable[[Bucket, Mapping[str, Path]], None]


def gcs_ways(url: str) -> dict[str, Way]:
    """`url` is an emulator's: no credentials."""
    options = {"api_endpoint": url}
    client = Client(project="p", credentials=AnonymousCredentials(), client_options=options)
    part_bytes = GcsOptions().gcs_part_bytes
    senders: dict[str, Sender] = {
        "upload_from_filename": _one_by_one,
        f"the same, {part_bytes >> 20} MiB parts": partial(_one_by_one, part_bytes=part_bytes),
        f"the same, {THREADS} threads": _in_threads,
        "transfer_manager": _with_transfer_manager,
    }
    bucket = client.bucket(NAME)
    return {name: partial(_send, bucket, sender) for name, sender in senders.items()}


def _send(bucket: Bucket, send: Sender, files: Mapping[str, Path], manifest: Manifest) -> None:
    send(bucket, keys_of(files, manifest))
    blob = bucket.blob(manifest_key(manifest.key))
    blob.upload_from_string(manifest.to_bytes(), if_generation_match=0)


def _one_by_one(
    bucket: Bucket, files: Mapping[str, Path], *, part_bytes: int | None = None
) -> None:
    for key, path in files.items():
        bucket.blob(key, chunk_size=part_bytes).upload_from_filename(str(path))


def _in_threads(bucket: Bucket, files: Mapping[str, Path]) -> None:
    def put(key: str, path: Path) -> None:
        bucket.blob(key).upload_from_filename(str(path))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, files.keys(), files.values()))


def _with_transfer_manager(bucket: Bucket, files: Mapping[str, Path]) -> None:
    pairs = [(str(path), bucket.blob(key)) for key, path in files.items()]
    transfer_manager.upload_many(
        pairs, worker_type=transfer_manager.THREAD, max_workers=THREADS, raise_exception=True
    )
