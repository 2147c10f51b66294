"""Getting a request's document into its work directory."""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from ...contract.errors import InvalidInputError, NotFoundError, ObjectTooLargeError
from ...stores import ObjectStore
from ..request import Document
from .download import Downloader

# Such an object's name is its content's SHA-256, so it can be checked without being told.
_CLAIM_CHECK = re.compile(r"inputs/([0-9a-f]{64})\Z")
_UNSAFE_SEGMENT = re.compile(r"\.{0,2}\Z|.*[\x00-\x1f\x7f\\]", re.DOTALL)


def place_document(
    document: Document,
    path: Path,
    *,
    store: ObjectStore,
    downloader: Downloader,
    max_bytes: int,
    input_stores: Sequence[ObjectStore] = (),
) -> None:
    """Write the document's bytes to the new file `path`.

    `input_stores` are further places from which `input` may name an object, by its full address.
    Raises InvalidInputError, DocumentUnavailableError, and StoreError where the store itself fails.
    """
    claimed = None
    if document.base64 is not None:
        field = "document.base64"
        sha256 = _write(document.base64, path, max_bytes=max_bytes)
    elif document.url is not None:
        field = "document.url"
        sha256 = downloader.download(document.url, path, max_bytes=max_bytes)
    else:
        field = "document.input"
        source = _source(document.input or "", store, input_stores)
        key = object_key(document.input or "", root=source.root)
        # Of this root alone: elsewhere a name of that form promises nothing.
        claimed = _CLAIM_CHECK.match(key) if source is store else None
        sha256 = _fetch(key, source, path, max_bytes=max_bytes)
    if path.stat().st_size == 0:
        raise InvalidInputError(field, "is empty; send a document's bytes")
    if {document.sha256, claimed[1] if claimed else None} - {None, sha256}:
        raise InvalidInputError(
            field, f"the document's SHA-256 is {sha256}, not the one the request names"
        )


def _source(address: str, store: ObjectStore, input_stores: Sequence[ObjectStore]) -> ObjectStore:
    """The store whose root the address begins with; the model's own where there is none."""
    places = (store, *input_stores)
    return next((one for one in places if address.startswith(f"{one.root}/")), store)


def object_key(address: str, *, root: str) -> str:
    """The key under `root` that a request's `input` names. Raises InvalidInputError."""
    key = address.removeprefix(f"{root}/")
    if "://" in key or any(_UNSAFE_SEGMENT.match(segment) for segment in key.split("/")):
        raise InvalidInputError(
            "document.input",
            "must name an object under this model's root, by its key (inputs/...) or full address,"
            " or one under its input_roots by its full address",
        )
    return key


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(re.sub(r"\s", "", text), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInputError(
            "document.base64", "is not base64 (RFC 4648, without a data: prefix)"
        ) from None


def _write(text: str, path: Path, *, max_bytes: int) -> str:
    # Base64 is a third longer than what it holds; checked before that is in memory twice.
    _check_size("document.base64", len(text) * 3 // 4, max_bytes=max_bytes)
    content = _decode(text)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _fetch(key: str, store: ObjectStore, path: Path, *, max_bytes: int) -> str:
    try:
        return store.get_file(key, path, max_bytes=max_bytes)
    except NotFoundError:
        raise InvalidInputError(
            "document.input", "there is no such object; put it there before the request"
        ) from None
    except ObjectTooLargeError:
        raise InvalidInputError("document.input", _too_large(max_bytes)) from None


def _check_size(field: str, size: int, *, max_bytes: int) -> None:
    if size > max_bytes:
        raise InvalidInputError(field, _too_large(max_bytes))


def _too_large(max_bytes: int) -> str:
    return f"is larger than {max_bytes} bytes, this model's max_document_bytes; send fewer pages"
