"""Large files to S3 in parts: several at a time, streamed from disk, each with its checksum."""

import base64
import contextlib
import hashlib
import logging
import os
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from botocore.exceptions import ClientError

from ...contract.errors import OutboxError, StoreError, StoreUnavailableError
from ...retrying import patiently
from ..network import Place
from ..streams import CHUNK_BYTES, FileDigest
from .errors import translated
from .file_sections import open_section
from .options import S3Options

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

MAX_PARTS = 10_000
_MOST_UPLOADS = 3
"""Of one file, where the store loses what was begun."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class PartedUpload:
    """One file's way to `target` (Bucket, Key and who must own it).

    The store verifies every part's CRC-32, taken of the same bytes as the SHA-256 of the whole.
    Whatever fails, the upload is aborted; only a kill leaves it behind.
    """

    client: "S3Client"
    key: str
    place: Place
    target: Mapping[str, Any]
    headers: Mapping[str, Any]
    options: S3Options
    _stopped: threading.Event = field(default_factory=threading.Event)

    def send(self, file: BinaryIO) -> FileDigest:
        """Raises StoreError."""
        for _ in range(_MOST_UPLOADS):
            with contextlib.suppress(_UploadGoneError):
                return self._send_once(file)
            self._stopped.clear()
        raise StoreUnavailableError(self.key, "the store has lost every upload that was begun")

    def _send_once(self, file: BinaryIO) -> FileDigest:
        size = os.fstat(file.fileno()).st_size
        begun = self._patiently(
            lambda: self.client.create_multipart_upload(
                **self.target, **self.headers, ChecksumAlgorithm="CRC32"
            )
        )
        upload = {**self.target, "UploadId": begun["UploadId"]}
        try:
            parts, sha256 = self._send_parts(file.fileno(), size, upload)
            self._patiently(lambda: self._complete(upload, parts, size))
        # Of any kind: parts that no upload completes are paid for, and no listing shows them.
        except BaseException:
            self._abort(upload)
            raise
        return FileDigest(sha256=sha256, size=size)

    def _send_parts(
        self, descriptor: int, size: int, upload: dict[str, Any]
    ) -> tuple[list["CompletedPartTypeDef"], str]:
        """The parts sent, and the SHA-256 of the whole file."""
        # S3 takes no more parts than this: a very large file has larger ones.
        part_bytes = max(self.options.s3_part_bytes, -(-size // MAX_PARTS))
        digest = hashlib.sha256()
        pending: deque[Future[CompletedPartTypeDef]] = deque()
        sent: list[CompletedPartTypeDef] = []
        with ThreadPoolExecutor(self.options.s3_part_concurrency) as pool:
            try:
                for number, start in enumerate(range(0, size, part_bytes), 1):
                    # Not far ahead of what is sent, so that the disk's cache serves both readings.
                    if len(pending) > self.options.s3_part_concurrency:
                        sent.append(pending.popleft().result())
                    part = open_section(descriptor, start, min(part_bytes, size - start))
                    checksum = _take_checksums(part, digest)
                    pending.append(pool.submit(self._send_part, upload, number, part, checksum))
                sent.extend(future.result() for future in pending)
            finally:
                # Threads that wait to repeat a part would hold up the error of another one.
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
        return sent, digest.hexdigest()

    def _send_part(
        self, upload: dict[str, Any], number: int, part: BinaryIO, checksum: str
    ) -> "CompletedPartTypeDef":
        def send() -> "CompletedPartTypeDef":
            if self._stopped.is_set():
                raise StoreError(self.key, "another part failed")
            part.seek(0)
            with _told_when_gone():
                answer = self.client.upload_part(
                    **upload, PartNumber=number, Body=part, ChecksumCRC32=checksum
                )
            return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": checksum}

        return self._patiently(send)

    def _complete(
        self, upload: dict[str, Any], parts: list["CompletedPartTypeDef"], size: int
    ) -> None:
        try:
            with _told_when_gone():
                self.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except _UploadGoneError:
            # Done by a call whose reply was lost, if the object is there: the key is ours alone.
            if not self._is_there(size):
                raise

    def _is_there(self, size: int) -> bool:
        try:
            return self.client.head_object(**self.target)["ContentLength"] == size
        except ClientError:  # The writer need not have the right to read artifacts.
            return False

    def _abort(self, upload: dict[str, Any]) -> None:
        try:
            with (
                contextlib.suppress(_UploadGoneError),
                translated(self.key, self.place),
                _told_when_gone(),
            ):
                self.client.abort_multipart_upload(**upload)
        except StoreError as error:
            logger.warning(
                "an unfinished upload was left behind", extra={"key": self.key, "code": error.code}
            )

    def _patiently(self, operation: Callable[[], T]) -> T:
        def call() -> T:
            with translated(self.key, self.place):
                return operation()

        return patiently(call, timeout_seconds=self.options.store_timeout_seconds)


class _UploadGoneError(OutboxError):
    """The store does not know the upload any more: it has to begin anew, from the file."""


@contextlib.contextmanager
def _told_when_gone() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "NoSuchUpload":
            raise
        raise _UploadGoneError from error


def _take_checksums(part: BinaryIO, whole: "hashlib._Hash") -> str:
    """The part's CRC-32 in base64; its bytes go into the whole file's digest."""
    checksum = 0
    while chunk := part.read(CHUNK_BYTES):
        whole.update(chunk)
        checksum = zlib.crc32(chunk, checksum)
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()
