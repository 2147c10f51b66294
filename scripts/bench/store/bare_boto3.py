"""The bytes of a result sent with boto3 alone, in the ways its users know."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from local_baseten.buckets.s3 import NAME
from truss_outbox.contract import Manifest
from truss_outbox.contract.keys import manifest_key

from .ways import SMALL_BYTES, THREADS, Way, keys_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Sender = Callable[["S3Client", Mapping[str, Path]], None]


def boto3_ways(client: "S3Client") -> dict[str, Way]:
    senders = {
        "put_object": _one_by_one,
        f"put_object, {THREADS} threads": _in_threads,
        "upload_file": _with_s3transfer,
    }
    return {name: partial(_send, client, sender) for name, sender in senders.items()}


def _send(client: "S3Client", send: Sender, files: Mapping[str, Path], manifest: Manifest) -> None:
    send(client, keys_of(files, manifest))
    key = manifest_key(manifest.key)
    client.put_object(Bucket=NAME, Key=key, Body=manifest.to_bytes(), IfNoneMatch="*")


def _one_by_one(client: "S3Client", files: Mapping[str, Path]) -> None:
    for key, path in files.items():
        _put(client, key, path)


def _in_threads(client: "S3Client", files: Mapping[str, Path]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(partial(_put, client), files.keys(), files.values()))


def _with_s3transfer(client: "S3Client", files: Mapping[str, Path]) -> None:
    for key, path in files.items():
        client.upload_file(str(path), NAME, key)


def _put(client: "S3Client", key: str, path: Path) -> None:
    if path.stat().st_size <= SMALL_BYTES:  # as bytes, boto3 does not ask before it sends them
        client.put_object(Bucket=NAME, Key=key, Body=path.read_bytes())
        return
    with path.open("rb") as file:
        client.put_object(Bucket=NAME, Key=key, Body=file)
