"""A store in S3, or in anything that speaks its API and keeps its promise of `If-None-Match`."""

import base64
import contextlib
import hashlib
import os
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from ...contract.errors import ObjectTooLargeError, StoreError, StoreUnavailableError
from ..streams import CHUNK_BYTES, BoundedWriter, FileDigest
from .client import connect, open_session, place_of
from .errors import translated
from .options import S3Options
from .parts import PartedUpload

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_SMALL_BYTES = 1 << 20  # below it a round trip costs more than the memory


def open_s3(bucket: str, prefix: str, options: S3Options) -> "S3Store":
    """Raises ConfigurationError. Nothing is sent yet."""
    return S3Store(connect(options), bucket, prefix, options)


class S3Store:
    def __init__(self, client: "S3Client", bucket: str, prefix: str, options: S3Options) -> None:
        self.root = f"s3://{bucket}/{prefix}".rstrip("/")
        self._client = client
        self._prefix = f"{prefix}/" if prefix else ""
        self._options = options
        self._place = place_of(options, open_session(options), client)
        owner = options.s3_expected_bucket_owner
        self._bucket = {"Bucket": bucket} | ({"ExpectedBucketOwner": owner} if owner else {})
        self._headers = _object_headers(options)

    def put_file(self, key: str, path: Path, *, content_type: str) -> FileDigest:
        storage_class = self._options.s3_storage_class
        headers = self._headers | ({"StorageClass": storage_class} if storage_class else {})
        headers["ContentType"] = content_type
        with translated(key, self._place), path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size >= self._options.s3_multipart_threshold_bytes:
                return self._in_parts(key, headers).send(file)
            # Of a small body boto3 does not first ask whether it may be sent.
            return self._put(key, file.read() if size <= _SMALL_BYTES else file, headers)

    def create(self, key: str, data: bytes, *, content_type: str) -> None:
        self._put(key, data, {**self._headers, "ContentType": content_type, "IfNoneMatch": "*"})

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        self._put(key, data, {**self._headers, "ContentType": content_type})

    def get(self, key: str) -> bytes:
        with translated(key, self._place):
            answer = self._client.get_object(**self._target(key), ChecksumMode="ENABLED")
            with contextlib.closing(answer["Body"]) as body:
                return body.read()

    def get_file(self, key: str, path: Path, *, max_bytes: int) -> str:
        with (
            translated(key, self._place),
            BoundedWriter.created(path, key=key, max_bytes=max_bytes) as target,
        ):
            answer = self._client.get_object(**self._target(key), ChecksumMode="ENABLED")
            with contextlib.closing(answer["Body"]) as body:
                # Before anything is read; the length that is stated is all that will be read.
                if answer["ContentLength"] > max_bytes:
                    raise ObjectTooLargeError(key, max_bytes=max_bytes)
                for chunk in body.iter_chunks(CHUNK_BYTES):
                    target.write(chunk)
            return target.sha256

    def keys(self, prefix: str) -> set[str]:
        where: dict[str, Any] = {**self._bucket, "Prefix": self._prefix + prefix}
        with translated(prefix, self._place):
            pages = self._client.get_paginator("list_objects_v2").paginate(**where)
            found = (entry["Key"] for page in pages for entry in page.get("Contents", []))
            return {key.removeprefix(self._prefix) for key in found}

    def delete(self, key: str) -> None:
        with translated(key, self._place):
            self._client.delete_object(**self._target(key))

    def delete_all(self, keys: Sequence[str]) -> None:
        try:
            self._delete_together(keys)
        except StoreUnavailableError:
            raise
        except StoreError:
            # Not every server has the call; and of one by one, the first refusal is told.
            for key in keys:
                self.delete(key)

    def _delete_together(self, keys: Sequence[str]) -> None:
        objects = [{"Key": self._prefix + key} for key in keys]
        call: dict[str, Any] = {**self._bucket, "Delete": {"Objects": objects, "Quiet": True}}
        with translated(keys[0], self._place):
            answer = self._client.delete_objects(**call)
        if answer.get("Errors"):
            raise StoreError(keys[0], "or another of them, could not be deleted")

    def _put(self, key: str, body: bytes | BufferedReader, headers: dict[str, Any]) -> FileDigest:
        """Sends the digest along: the store refuses a body that does not match it."""
        digest = FileDigest.of(body) if isinstance(body, bytes) else _digest(body)
        checksum = base64.b64encode(bytes.fromhex(digest.sha256)).decode()
        with translated(key, self._place, is_conditional="IfNoneMatch" in headers):
            self._client.put_object(
                **self._target(key), **headers, Body=body, ChecksumSHA256=checksum
            )
        return digest

    def _target(self, key: str) -> dict[str, Any]:
        return {**self._bucket, "Key": self._prefix + key}

    def _in_parts(self, key: str, headers: dict[str, Any]) -> PartedUpload:
        return PartedUpload(
            client=self._client,
            key=key,
            place=self._place,
            target=self._target(key),
            headers=headers,
            options=self._options,
        )


def _digest(file: BufferedReader) -> FileDigest:
    """Of the whole file; it is rewound afterwards."""
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size = file.tell()
    file.seek(0)
    return FileDigest(sha256=sha256, size=size)


def _object_headers(options: S3Options) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if options.s3_encryption:
        headers["ServerSideEncryption"] = options.s3_encryption
    if options.s3_kms_key_id:
        headers["SSEKMSKeyId"] = options.s3_kms_key_id
    if options.s3_tags:
        headers["Tagging"] = urlencode(options.s3_tags, quote_via=quote)
    return headers
