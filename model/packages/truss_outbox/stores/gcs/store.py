"""A store in Google Cloud Storage, or in an emulator that speaks its JSON API."""

import contextlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from google.api_core.retry import Retry
from google.cloud.storage import Blob, Bucket, Client

from ...contract.errors import (
    AlreadyExistsError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
)
from ..streams import BoundedWriter, FileDigest, HashingReader
from .client import connect, place_of
from .errors import may_repeat_part, translated
from .options import GcsOptions

# The SDK sends larger files as resumable uploads, part by part.
_ONE_REQUEST_BYTES = 8 << 20

_DELETED_AT_ONCE = 16
"""GCS has no call that deletes several."""


def open_gcs(bucket: str, prefix: str, options: GcsOptions) -> "GcsStore":
    """Raises ConfigurationError. No bucket is asked yet."""
    return GcsStore(connect(options), bucket, prefix, options)


class GcsStore:
    def __init__(self, client: Client, bucket: str, prefix: str, options: GcsOptions) -> None:
        self.root = f"gs://{bucket}/{prefix}".rstrip("/")
        self._bucket = Bucket(client, bucket)
        self._prefix = f"{prefix}/" if prefix else ""
        self._options = options
        self._place = place_of(options, client._credentials)  # noqa: SLF001  # it has no other name
        self._part_retry = Retry(
            predicate=may_repeat_part,
            initial=0.1,
            maximum=5.0,
            timeout=options.store_timeout_seconds,
        )
        self._timeout = (
            options.store_connect_timeout_seconds,
            options.store_read_timeout_seconds,
        )

    def put_file(self, key: str, path: Path, *, content_type: str) -> FileDigest:
        blob = self._new_blob(key)
        blob.storage_class = self._options.gcs_storage_class
        with translated(key, self._place), path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            source = HashingReader(file)
            blob.upload_from_file(
                source,
                size=size,
                content_type=content_type,
                checksum="crc32c",
                timeout=self._timeout,
                # A part alone: RetryingStore would repeat all of a large file.
                retry=self._part_retry if size > _ONE_REQUEST_BYTES else None,
            )
            return source.digest

    def create(self, key: str, data: bytes, *, content_type: str) -> None:
        try:
            # Generation 0 is "no object": the condition on which the commit relies.
            self._upload(key, data, content_type, generation=0)
        except AlreadyExistsError as error:
            # Emulators refuse a damaged body with the same status.
            if self._is_missing(key):
                raise StoreUnavailableError(key, "was refused and is not there") from error
            raise

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        self._upload(key, data, content_type, generation=None)

    def _upload(self, key: str, data: bytes, content_type: str, generation: int | None) -> None:
        with translated(key, self._place, is_conditional=generation is not None):
            self._new_blob(key).upload_from_string(
                data,
                content_type=content_type,
                checksum="crc32c",
                if_generation_match=generation,
                timeout=self._timeout,
                retry=None,
            )

    def get(self, key: str) -> bytes:
        with translated(key, self._place):
            data: bytes = self._blob(key).download_as_bytes(
                raw_download=True, checksum="crc32c", timeout=self._timeout, retry=None
            )  # raw: an object stored with a content encoding is not decoded on the way
            return data

    def get_file(self, key: str, path: Path, *, max_bytes: int) -> str:
        with (
            translated(key, self._place),
            BoundedWriter.created(path, key=key, max_bytes=max_bytes) as target,
        ):
            self._blob(key).download_to_file(
                target, raw_download=True, checksum="crc32c", timeout=self._timeout, retry=None
            )
            return target.sha256

    def keys(self, prefix: str) -> set[str]:
        with translated(prefix, self._place):
            found = self._bucket.list_blobs(
                prefix=self._prefix + prefix, timeout=self._timeout, retry=None
            )
            return {blob.name.removeprefix(self._prefix) for blob in found}

    def delete(self, key: str) -> None:
        with contextlib.suppress(NotFoundError), translated(key, self._place):
            self._blob(key).delete(timeout=self._timeout, retry=None)

    def delete_all(self, keys: Sequence[str]) -> None:
        with ThreadPoolExecutor(_DELETED_AT_ONCE) as pool:
            list(pool.map(self.delete, keys))

    def _is_missing(self, key: str) -> bool:
        """False also where it cannot be known."""
        try:
            with translated(key, self._place):
                self._blob(key).reload(timeout=self._timeout, retry=None)
        except NotFoundError:
            return True
        except StoreError:
            return False
        return False

    def _blob(self, key: str) -> Blob:
        return self._bucket.blob(self._prefix + key)

    def _new_blob(self, key: str) -> Blob:
        return self._bucket.blob(
            self._prefix + key,
            chunk_size=self._options.gcs_part_bytes,
            kms_key_name=self._options.gcs_kms_key,
        )
