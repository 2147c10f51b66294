"""A store in S3, or in anything that speaks its API and keeps its promise of `If-None-Match`."""

import base64
import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from model.artifacts.errors import ObjectTooLargeError
from model.artifacts.stores.s3_client import connect
from model.artifacts.stores.s3_errors import translated
from model.artifacts.stores.s3_options import S3Options
from model.artifacts.stores.s3_parts import PartedUpload
from model.artifacts.streams import CHUNK_BYTES

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_SMALL_BYTES = 1 << 20


def open_s3(bucket: str, prefix: str, options: S3Options) -> "S3Store":
    """Raises ConfigurationError. Nothing is sent yet."""
    return S3Store(connect(options), bucket, prefix, options)


class S3Store:
    def __init__(self, client: "S3Client", bucket: str, prefix: str, options: S3Options) -> None:
        self.root = f"s3://{bucket}/{prefix}".rstrip("/")
        self._client = client
        self._prefix = f"{prefix}/" if prefix else ""
        self._options = options
        owner = options.expected_bucket_owner
        self._bucket = {"Bucket": bucket} | ({"ExpectedBucketOwner": owner} if owner else {})
        self._headers = _object_headers(options)

    def put_file(self, key: str, path: Path, *, content_type: str, sha256: str) -> None:
        storage_class = self._options.storage_class
        headers = self._headers | ({"StorageClass": storage_class} if storage_class else {})
        headers["ContentType"] = content_type
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size >= self._options.multipart_threshold_bytes:
                self._in_parts(key, headers).send(file, sha256=sha256)
                return
            with translated(key):
                self._client.put_object(
                    **self._target(key),
                    **headers,
                    # Of a small body boto3 does not first ask whether it may be sent.
                    Body=file.read() if size <= _SMALL_BYTES else file,
                    ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                )

    def create(self, key: str, data: bytes, *, content_type: str) -> None:
        with translated(key):
            self._client.put_object(
                **self._target(key),
                **self._headers,
                Body=data,
                ContentType=content_type,
                ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode(),
                IfNoneMatch="*",
            )

    def get(self, key: str) -> bytes:
        with translated(key):
            answer = self._client.get_object(**self._target(key))
            with contextlib.closing(answer["Body"]) as body:
                return body.read()

    def get_file(self, key: str, path: Path, *, max_bytes: int) -> str:
        digest = hashlib.sha256()
        with translated(key):
            answer = self._client.get_object(**self._target(key))
            with contextlib.closing(answer["Body"]) as body:
                if answer["ContentLength"] > max_bytes:
                    raise ObjectTooLargeError(key, max_bytes=max_bytes)
                with path.open("xb") as target:
                    for chunk in body.iter_chunks(CHUNK_BYTES):
                        digest.update(chunk)
                        target.write(chunk)
        return digest.hexdigest()

    def delete(self, key: str) -> None:
        with translated(key):
            self._client.delete_object(**self._target(key))

    def _target(self, key: str) -> dict[str, Any]:
        return {**self._bucket, "Key": self._prefix + key}

    def _in_parts(self, key: str, headers: dict[str, Any]) -> PartedUpload:
        return PartedUpload(
            client=self._client,
            key=key,
            target=self._target(key),
            headers=headers,
            options=self._options,
        )


def _object_headers(options: S3Options) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if options.encryption:
        headers["ServerSideEncryption"] = options.encryption
    if options.kms_key_id:
        headers["SSEKMSKeyId"] = options.kms_key_id
    if options.tags:
        headers["Tagging"] = urlencode(options.tags, quote_via=quote)
    return headers
