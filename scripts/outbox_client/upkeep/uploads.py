"""Multipart uploads that nobody has finished: their parts take room, and no listing of objects
shows them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Unpack

from truss_outbox.contract.errors import (
    AccessDeniedError,
    StoreError,
    StoreUnavailableError,
)
from truss_outbox.contract.root import Root
from truss_outbox.stores import S3Options
from truss_outbox.stores.network import Place

from ..bucket.open_bucket import Connection

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ListMultipartUploadsOutputTypeDef

from .found import Kept, Swept, Undeleted, UnfinishedUpload

T = TypeVar("T")


class Patiently(Protocol):
    def __call__(self, operation: Callable[[], T]) -> T:
        """The operation, repeated while it raises StoreUnavailableError."""


def _once(operation: Callable[[], T]) -> T:
    return operation()


_UPLOADS = "multipart uploads"
_NOT_LISTED = "this server does not list them: a lifecycle rule, or its own tools, must end them"
_MISSING_RIGHT = "`outbox policy --for sweeper` prints what is needed"
_UNSUPPORTED = frozenset({404, 405, 501})


class Uploads:
    """The multipart uploads below an `s3://` root. Nothing is sent before a method is called."""

    def __init__(self, client: "S3Client", root: Root) -> None:
        from truss_outbox.stores.s3.errors import translated  # noqa: PLC0415  # loaded by now

        self._client = client
        asked = Place(of="the bucket", url=client.meta.endpoint_url)
        self._translated = partial(translated, place=asked)
        self._bucket = root.bucket
        self._prefix = root.object_name("")

    def sweep(
        self, *, before: datetime, delete: bool, patiently: Patiently = _once
    ) -> Iterator[Swept]:
        """Those begun before the time given, and with `delete` aborted. Raises StoreError."""
        try:
            for page in self._pages(patiently):
                for upload in page.get("Uploads", []):
                    if upload["Initiated"] < before:
                        key = upload["Key"].removeprefix(self._prefix)
                        begun = UnfinishedUpload(key=key, initiated_at=upload["Initiated"])
                        abort = partial(self._aborted, begun, upload["UploadId"])
                        yield patiently(abort) if delete else begun
        except AccessDeniedError as error:
            error.add_note(_MISSING_RIGHT)
            raise
        except StoreError as error:
            if not _is_unsupported(error.__cause__):
                raise
            yield Kept(prefix=_UPLOADS, why=_NOT_LISTED)

    def _pages(self, patiently: Patiently) -> Iterator["ListMultipartUploadsOutputTypeDef"]:
        markers: dict[str, Any] = {}
        while True:
            page = patiently(partial(self._page, markers))
            yield page
            if not page.get("IsTruncated"):
                return
            markers = {
                "KeyMarker": page["NextKeyMarker"],
                "UploadIdMarker": page["NextUploadIdMarker"],
            }

    def _page(self, markers: dict[str, Any]) -> "ListMultipartUploadsOutputTypeDef":
        with self._translated(_UPLOADS):
            return self._client.list_multipart_uploads(
                Bucket=self._bucket, Prefix=self._prefix, **markers
            )

    def _aborted(self, upload: UnfinishedUpload, upload_id: str) -> Swept:
        try:
            with self._translated(upload.key):
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=self._prefix + upload.key, UploadId=upload_id
                )
        except StoreUnavailableError:
            raise
        except StoreError as error:
            if not isinstance(error.__cause__, self._client.exceptions.NoSuchUpload):
                return Undeleted(key=upload.key, why=str(error))
        # Or it has ended since.
        return replace(upload, aborted=True)


def _is_unsupported(error: BaseException | None) -> bool:
    """Of a bucket that is there: it has been listed by now."""
    answer = getattr(error, "response", {}).get("ResponseMetadata", {})
    return answer.get("HTTPStatusCode") in _UNSUPPORTED


def open_uploads(address: str, **connection: Unpack[Connection]) -> Uploads | None:
    """None where the store has no such thing: a directory, GCS. By the client that the model has.

    Raises ConfigurationError.
    """
    root = Root.parse(address)
    if root.scheme != "s3":
        return None
    from truss_outbox.stores.s3.client import connect  # noqa: PLC0415  # 0.2 seconds

    return Uploads(connect(S3Options(**connection)), root)
