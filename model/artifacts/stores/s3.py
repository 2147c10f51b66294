"""A store in S3, or in anything that speaks its API and keeps its promise of `If-None-Match`."""

import base64
import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from model.artifacts.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    NotFoundError,
    ObjectTooLargeError,
    StoreError,
    StoreUnavailableError,
)
from model.artifacts.stores.opening import S3Options
from model.artifacts.streams import CHUNK_BYTES

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_MISSING = {"NoSuchKey", "404"}
# 409: another conditional write to the key is under way (S3: ConditionalRequestConflict).
_TRANSIENT_STATUS = {408, 409, 425, 429, 500, 502, 503, 504}
_TRANSIENT_CODE = {"RequestTimeout", "BadDigest", "RequestTimeTooSkewed", "IncompleteBody"}


def connect(options: S3Options) -> "S3Client":
    """One client, for all threads.

    It repeats nothing by itself: RetryingStore does, within one deadline.
    """
    return boto3.client(
        "s3",
        endpoint_url=options.endpoint_url,
        region_name=options.region or ("us-east-1" if options.endpoint_url else None),
        aws_access_key_id=options.access_key_id,
        aws_secret_access_key=options.secret_access_key,
        aws_session_token=options.session_token,
        config=Config(
            connect_timeout=options.connect_timeout_seconds,
            read_timeout=options.read_timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=64,
            # The checksum travels as a header of ours, which also works where trailers do not.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if options.endpoint_url else "auto"},
        ),
    )


class S3Store:
    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self.root = f"s3://{bucket}/{prefix}".rstrip("/")
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def put_file(self, key: str, path: Path, *, content_type: str, sha256: str) -> None:
        with _translated(key), path.open("rb") as file:
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._prefix + key,
                Body=file,
                ContentType=content_type,
                ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
            )

    def create(self, key: str, data: bytes, *, content_type: str) -> None:
        with _translated(key):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._prefix + key,
                Body=data,
                ContentType=content_type,
                ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode(),
                IfNoneMatch="*",
            )

    def get(self, key: str) -> bytes:
        with _translated(key):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            with contextlib.closing(answer["Body"]) as body:
                return body.read()

    def get_file(self, key: str, path: Path, *, max_bytes: int) -> str:
        digest = hashlib.sha256()
        with _translated(key):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            with contextlib.closing(answer["Body"]) as body:
                if answer["ContentLength"] > max_bytes:
                    raise ObjectTooLargeError(key, max_bytes=max_bytes)
                with path.open("xb") as target:
                    for chunk in body.iter_chunks(CHUNK_BYTES):
                        digest.update(chunk)
                        target.write(chunk)
        return digest.hexdigest()

    def delete(self, key: str) -> None:
        with _translated(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)


@contextlib.contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _from_answer(key, error) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise AccessDeniedError(
            key, "no complete credentials: set the Baseten secrets, or AWS's own environment"
        ) from error
    except ParamValidationError as error:
        raise StoreError(key, "boto3 refused the call's parameters") from error
    except BotoCoreError as error:
        raise StoreUnavailableError(key, type(error).__name__) from error


def _from_answer(key: str, error: ClientError) -> StoreError:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status == 412:
        return AlreadyExistsError(key)
    if code in _MISSING:
        return NotFoundError(key)
    if status == 403 or status == 401:  # noqa: PLR1714
        return AccessDeniedError(
            key, f"{code}: the credentials do not allow {error.operation_name}"
        )
    if status in _TRANSIENT_STATUS or code in _TRANSIENT_CODE:
        return StoreUnavailableError(key, f"{code} ({status})")
    return StoreError(key, f"{error.operation_name} was refused: {code} ({status})")
