"""Multipart uploads that were never finished: no listing shows their parts, and S3 bills them."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from truss_outbox.contract.errors import (
    AccessDeniedError,
    ConfigurationError,
    StoreUnavailableError,
)
from truss_outbox.contract.root import Root

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, kw_only=True, slots=True)
class UnfinishedUpload:
    """`key` is relative to the root. `aborted`: its parts are gone now."""

    key: str
    upload_id: str
    initiated_at: datetime
    aborted: bool = False


class Uploads:
    """The multipart uploads below an `s3://` root. Nothing is sent before a method is called."""

    def __init__(self, client: "S3Client", root: Root) -> None:
        self._client = client
        self._bucket = root.bucket
        self._prefix = root.object_name("")

    def sweep(self, *, before: datetime, delete: bool) -> Iterator[UnfinishedUpload]:
        """Those begun before the time given, and with `delete` aborted. Raises StoreError."""
        with _translated():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            for page in pages:
                for upload in page.get("Uploads", []):
                    if upload["Initiated"] >= before:
                        continue
                    if delete:
                        self._abort(upload["Key"], upload["UploadId"])
                    yield UnfinishedUpload(
                        key=upload["Key"].removeprefix(self._prefix),
                        upload_id=upload["UploadId"],
                        initiated_at=upload["Initiated"],
                        aborted=delete,
                    )

    def _abort(self, key: str, upload_id: str) -> None:
        with contextlib.suppress(self._client.exceptions.NoSuchUpload):  # it has ended since
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)


def open_uploads(address: str, *, endpoint_url: str | None, region: str | None) -> Uploads | None:
    """None where the store has no such thing: a directory, GCS. Credentials: AWS's own chain."""
    root = Root.parse(address)
    if root.scheme != "s3":
        return None
    import boto3  # noqa: PLC0415  # 0.3 seconds that only S3 need pay
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 4},
        s3={"addressing_style": "path" if endpoint_url else "auto"},
    )
    # S3-compatible stores take any region, but boto3 wants one to sign.
    fallback = "us-east-1" if endpoint_url else None
    try:
        # A session of its own: the default one keeps the first credentials it finds.
        client = boto3.Session().client(
            "s3", endpoint_url=endpoint_url, region_name=region or fallback, config=config
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError("root", f"cannot be opened: {type(error).__name__}") from error
    return Uploads(client, root)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        said = f"{error.operation_name} was refused: {code}"
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in {401, 403}:
            remedy = "; `outbox policy --for sweeper` prints what is needed"
            raise AccessDeniedError("multipart uploads", said + remedy) from error
        raise StoreUnavailableError("multipart uploads", said) from error
    except BotoCoreError as error:
        raise StoreUnavailableError("multipart uploads", type(error).__name__) from error
