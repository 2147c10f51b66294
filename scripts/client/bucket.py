"""The bucket as its reader sees it: obstore, with our errors."""

import contextlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
import stamina
from obstore import exceptions
from obstore.store import LocalStore, S3Store

from model.artifacts.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    NotFoundError,
    ObjectTooLargeError,
    StoreError,
    StoreUnavailableError,
)
from scripts.client.stored_object import StoredObject

if TYPE_CHECKING:
    from obstore.store import ObjectStore

CHUNK_BYTES = 1 << 20
_ATTEMPTS = 3
_REFUSED = "the bucket refuses these credentials: check them and what they allow"
_SKEWED = "RequestTimeTooSkewed"
_WRONG_TIME = "this machine's clock differs too much from the bucket's: set it, by NTP for example"
_STATUS = re.compile(r"status code: (\d{3})")
_DENIED_OBJECT = "(code: AccessDenied)"
_ABSENT = (FileNotFoundError, exceptions.NotFoundError)
_EXISTS = (FileExistsError, exceptions.AlreadyExistsError, exceptions.PreconditionError)
_DENIED = (
    PermissionError,
    exceptions.PermissionDeniedError,
    exceptions.UnauthenticatedError,
)


class Bucket:
    """Objects under a root. Safe to use from several threads."""

    def __init__(self, store: "ObjectStore", *, root: str) -> None:
        self.root = root
        self._store = store

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key below `prefix`, which ends in a slash. Raises StoreError."""
        return (found.key for found in self.objects(prefix))

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """Every object below `prefix`; what lies below a common prefix comes in one piece."""
        return self.objects_between(prefix, after=None, until=None)

    def objects_between(
        self, prefix: str, *, after: str | None, until: str | None
    ) -> Iterator[StoredObject]:
        """Those whose keys come after the one bound and not after the other, in byte order.

        Only where the bucket `lists_in_order` does this cost fewer calls than listing everything.
        """
        with _translated(prefix):
            for page in obstore.list(self._store, prefix, offset=after):
                for meta in page:
                    if until is None or meta["path"] <= until:
                        yield StoredObject(
                            key=meta["path"], size=meta["size"], modified_at=meta["last_modified"]
                        )
                if self.lists_in_order and until is not None and page[-1]["path"] >= until:
                    return

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted and can begin anywhere; a directory's do not."""
        return not isinstance(self._store, LocalStore)

    @stamina.retry(on=StoreUnavailableError, attempts=_ATTEMPTS)
    def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """The whole object, for small ones; of one with more than `max_bytes`, not a byte.

        Raises NotFoundError, ObjectTooLargeError, StoreError.
        """
        with _translated(key):
            found = obstore.get(self._store, key)
            if max_bytes is not None and found.meta["size"] > max_bytes:
                raise ObjectTooLargeError(key, max_bytes=max_bytes)
            return bytes(found.bytes())

    @stamina.retry(on=StoreUnavailableError, attempts=_ATTEMPTS)
    def get_range(self, key: str, *, start: int, length: int) -> memoryview:
        """Bytes that the object has, not copied. Raises NotFoundError, StoreError."""
        with _translated(key):
            return memoryview(obstore.get_range(self._store, key, start=start, length=length))

    def chunks(self, key: str) -> Iterator[bytes]:
        """The object's bytes, about a mebibyte at a time. Raises NotFoundError, StoreError."""
        with _translated(key):
            for chunk in obstore.get(self._store, key).stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    @stamina.retry(on=StoreUnavailableError, attempts=_ATTEMPTS)
    def exists(self, key: str) -> bool:
        try:
            with _translated(key):
                obstore.head(self._store, key)
        except NotFoundError:
            return False
        return True

    @stamina.retry(on=StoreUnavailableError, attempts=_ATTEMPTS)
    def create(self, key: str, data: bytes) -> None:
        """Store `data` unless the key is taken: for keys that name their own content."""
        with contextlib.suppress(AlreadyExistsError):
            self.create_new(key, data)

    def create_new(self, key: str, data: bytes) -> None:
        """One call. Raises AlreadyExistsError where the key is taken, and StoreError."""
        with _translated(key):
            obstore.put(self._store, key, data, mode="create")

    @stamina.retry(on=StoreUnavailableError, attempts=_ATTEMPTS)
    def put(self, key: str, data: bytes) -> None:
        """Store `data` in place of what is there: for what is derived, below jobs/ and index/."""
        with _translated(key):
            obstore.put(self._store, key, data)

    @stamina.retry(on=StoreUnavailableError, attempts=_ATTEMPTS)
    def upload(self, key: str, path: Path) -> None:
        """Stream a large file in parts; readers see all of it or nothing."""
        with _translated(key):
            obstore.put(self._store, key, path)

    def delete(self, key: str) -> None:
        with _translated(key):
            obstore.delete(self._store, key)

    def link(self, key: str, *, life: timedelta) -> str:
        """A URL whose holder may read the object, of S3 alone. Raises StoreError."""
        if not isinstance(self._store, S3Store):
            raise StoreError(key, "only S3's links are signed here")
        with _translated(key):
            return obstore.sign(self._store, "GET", key, life)


@contextlib.contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except _ABSENT as error:
        raise NotFoundError(key) from error
    except _EXISTS as error:
        raise AlreadyExistsError(key) from error
    except _DENIED as error:
        raise _refusal(key, error) from error
    except exceptions.GenericError as error:
        raise _from_generic(key, error) from error
    except exceptions.BaseError as error:
        raise StoreError(key, first_line(error)) from error
    except OSError as error:
        raise StoreUnavailableError(key, error.strerror or type(error).__name__) from error


def _refusal(key: str, error: Exception) -> StoreError:
    return AccessDeniedError(key, _WRONG_TIME if _SKEWED in str(error) else _REFUSED)


def _from_generic(key: str, error: Exception) -> StoreError:
    """Listing reports every refusal as a generic error with the answer's status in its text.

    Deletion, which goes by DeleteObjects, reports one with the object's own code.
    """
    if _DENIED_OBJECT in str(error):
        return _refusal(key, error)
    status = _STATUS.search(str(error))
    match int(status[1]) if status else None:
        case 401 | 403:
            return _refusal(key, error)
        case 404:
            return StoreError(key, "there is no such bucket: check root and endpoint_url")
        case code if code is None or code in {408, 429} or code >= 500:
            return StoreUnavailableError(key, first_line(error))
        case _:
            return StoreError(key, first_line(error))


def first_line(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0].split(": <")[0].strip()[:300]
