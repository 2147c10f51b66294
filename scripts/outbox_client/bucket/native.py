"""The bucket by its own means, the clouds' SDKs and the file system: slower than obstore.

They do what obstore does not: they list objects whose keys it refuses (`a//b`, control characters)
or shortens (a slash at the end), and tell the time by which the bucket dates its objects.
"""

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from truss_outbox.contract.errors import (
    AccessDeniedError,
    StoreError,
    StoreUnavailableError,
)
from truss_outbox.contract.root import Root
from truss_outbox.stores.network import Place

from .listed import StoredObject

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from types_boto3_s3 import S3Client

DELETED_AT_ONCE = 1000
_NO_TIME = "the bucket does not say what time it is: the age of its objects cannot be known"


class NativeBucket(Protocol):
    """What obstore does not do. All methods raise StoreError."""

    def objects(self, prefix: str, *, after: str | None) -> Iterator[StoredObject]:
        """Those below `prefix` after the key `after`, each under its exact key."""

    def time(self) -> datetime:
        """By the clock that dates the objects."""

    def delete_many(self, keys: Sequence[str]) -> Mapping[str, StoreError | None]:
        """In one call: what came of each key that the answer is clear about; None: it is gone.

        Empty where the bucket has no such call. `keys` are at most `DELETED_AT_ONCE`.
        """


class S3Bucket:
    def __init__(self, connect: "Callable[[], S3Client]", root: Root, *, asked: Place) -> None:
        """`connect` is called where a call is made: making a client takes 0.3 seconds."""
        self._connect = connect
        self._root = root
        self._place = asked

    def objects(self, prefix: str, *, after: str | None) -> Iterator[StoredObject]:
        own = self._root.object_name("")
        place: dict[str, Any] = {"Bucket": self._root.bucket, "Prefix": own + prefix}
        if after is not None:
            place["StartAfter"] = own + after
        with self._translated(prefix):
            for page in self._connect().get_paginator("list_objects_v2").paginate(**place):
                for entry in page.get("Contents", []):
                    yield StoredObject(
                        key=entry["Key"].removeprefix(own),
                        size=entry["Size"],
                        modified_at=entry["LastModified"],
                    )

    def time(self) -> datetime:
        prefix = self._root.object_name("artifacts/")
        with self._translated("artifacts/"):
            answer = self._connect().list_objects_v2(
                Bucket=self._root.bucket, Prefix=prefix, MaxKeys=1
            )
        return _date(answer["ResponseMetadata"]["HTTPHeaders"].get("date"))

    def delete_many(self, keys: Sequence[str]) -> Mapping[str, StoreError | None]:
        own = self._root.object_name("")
        named = {own + key: key for key in keys}
        with self._translated("artifacts/"):
            answer = self._connect().delete_objects(
                Bucket=self._root.bucket, Delete={"Objects": [{"Key": name} for name in named]}
            )
        known: dict[str, StoreError | None] = {}
        # Some servers name no key, or others than they were asked for.
        for gone in answer.get("Deleted", []):
            if key := named.get(gone.get("Key", "")):
                known[key] = None
        for kept in answer.get("Errors", []):
            key, code = named.get(kept.get("Key", "")), kept.get("Code", "")
            if key and code in _REFUSED:
                known[key] = AccessDeniedError(key, kept.get("Message") or code)
        return known

    def _translated(self, key: str) -> contextlib.AbstractContextManager[None]:
        from truss_outbox.stores.s3.errors import translated  # noqa: PLC0415  # with botocore

        return translated(key, self._place)


_REFUSED = {"AccessDenied", "403"}
"""Of a key in the answer to many; after any other code it is asked for alone."""


class GcsBucket:
    def __init__(self, credentials: "Credentials", root: Root, *, asked: Place) -> None:
        from truss_outbox.stores.gcs.errors import translated  # noqa: PLC0415  # loaded by now

        self._credentials = credentials
        self._root = root
        self._url = asked.url
        self._translated = partial(translated, place=asked)

    def objects(self, prefix: str, *, after: str | None) -> Iterator[StoredObject]:
        from google.cloud.storage import Client  # noqa: PLC0415  # 0.3 seconds

        universe = self._credentials.universe_domain
        options = {"api_endpoint": self._url, "universe_domain": universe}
        client = Client(project="none", credentials=self._credentials, client_options=options)
        own = self._root.object_name("")
        start = None if after is None else own + after
        with self._translated(prefix):
            for blob in client.list_blobs(
                self._root.bucket, prefix=own + prefix, start_offset=start
            ):
                if blob.name != start:  # GCS begins with it, S3 after it
                    yield StoredObject(
                        key=blob.name.removeprefix(own), size=blob.size, modified_at=blob.updated
                    )

    def time(self) -> datetime:
        from google.auth.transport.requests import Request  # noqa: PLC0415

        query = urlencode({"prefix": self._root.object_name("artifacts/"), "maxResults": 1})
        address = f"{self._url}/storage/v1/b/{self._root.bucket}/o?{query}"
        ask, headers = Request(), dict[str, str]()
        with self._translated("artifacts/"):
            self._credentials.before_request(ask, "GET", address, headers)
            answer = ask(address, "GET", headers=headers, timeout=30)
        if answer.status in {401, 403}:
            raise AccessDeniedError("artifacts/", "listing was refused")
        if answer.status != 200:
            raise StoreUnavailableError("artifacts/", f"listing was answered {answer.status}")
        return _date(answer.headers.get("date"))

    def delete_many(self, keys: Sequence[str]) -> Mapping[str, StoreError | None]:  # noqa: ARG002
        return {}


def _date(header: str | None) -> datetime:
    """The end of the second that an answer's header names: what was there before it is older."""
    try:
        return parsedate_to_datetime(header or "").astimezone(UTC) + timedelta(seconds=1)
    except ValueError as error:
        raise StoreError("artifacts/", _NO_TIME) from error


class DirectoryBucket:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def objects(self, prefix: str, *, after: str | None) -> Iterator[StoredObject]:
        """Links are followed; what is neither a file nor a folder is an empty object."""
        top = self._directory / prefix
        try:
            status = top.stat()
        except (FileNotFoundError, NotADirectoryError):
            return
        if stat.S_ISDIR(status.st_mode):
            objects = _walk(str(top), prefix, status, above=())
            yield from (found for found in objects if after is None or found.key > after)

    def time(self) -> datetime:
        # Of a new file: on a share, the server's clock dates files.
        unfinished = self._directory / ".tmp"  # which no reader lists
        try:
            unfinished.mkdir(exist_ok=True)
            with tempfile.TemporaryFile(dir=unfinished) as file:
                file.write(b"x")
                file.flush()
                return datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        except OSError as error:
            raise StoreError(".tmp/", f"{_NO_TIME} ({error.strerror})") from error

    def delete_many(self, keys: Sequence[str]) -> Mapping[str, StoreError | None]:  # noqa: ARG002
        return {}


def _walk(
    folder: str, key: str, status: os.stat_result, *, above: tuple[tuple[int, int], ...]
) -> Iterator[StoredObject]:
    """In the order of names. `above` are the folders that it lies in, by device and number."""
    identity = (status.st_dev, status.st_ino)
    try:
        # A link to a folder that it lies in has no end.
        entries = [] if identity in above else sorted(os.scandir(folder), key=lambda one: one.name)
    except FileNotFoundError:
        return  # deleted meanwhile
    except PermissionError as error:
        if not above:
            raise AccessDeniedError(key, "the directory's permissions do not allow it") from error
        yield StoredObject(key=key, size=0, modified_at=_time(status))
        return
    for entry in entries:
        name = key + entry.name
        with contextlib.suppress(FileNotFoundError):
            status = _status(entry)
            if stat.S_ISDIR(status.st_mode):
                yield from _walk(entry.path, f"{name}/", status, above=(*above, identity))
            else:
                size = status.st_size if stat.S_ISREG(status.st_mode) else 0
                yield StoredObject(key=name, size=size, modified_at=_time(status))


def _status(entry: os.DirEntry[str]) -> os.stat_result:
    """Of what a link names; of the link where it names nothing."""
    try:
        return entry.stat()
    except OSError:
        return entry.stat(follow_symlinks=False)


def _time(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)
