"""Getting a request's document into its work directory."""

import base64
import binascii
import re
from pathlib import Path

from model.artifacts import ObjectStore
from model.artifacts.errors import InvalidInputError, NotFoundError, ObjectTooLargeError
from model.request import Document

_CLAIM_CHECK = re.compile(r"inputs/([0-9a-f]{64})\Z")
_UNSAFE_SEGMENT = re.compile(r"\.{0,2}\Z|.*[\x00-\x1f\x7f\\]", re.DOTALL)


def place_document(document: Document, store: ObjectStore, path: Path, *, max_bytes: int) -> None:
    """Write the document's bytes to the new file `path`.

    Raises InvalidInputError, and StoreError where the store itself fails.
    """
    if document.base64 is not None:
        _check_size("document.base64", len(document.base64) * 3 // 4, max_bytes=max_bytes)
        path.write_bytes(_decode(document.base64))
    else:
        _download(document, store, path, max_bytes=max_bytes)
    if path.stat().st_size == 0:
        field = "base64" if document.input is None else "input"
        raise InvalidInputError(f"document.{field}", "is empty; send a document's bytes")


def object_key(address: str, *, root: str) -> str:
    """The key under `root` that a request's `input` names. Raises InvalidInputError."""
    key = address.removeprefix(f"{root}/")
    if "://" in key or any(_UNSAFE_SEGMENT.match(segment) for segment in key.split("/")):
        raise InvalidInputError(
            "document.input",
            "must name an object under this model's root, by its key (inputs/...) or full address",
        )
    return key


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(re.sub(r"\s", "", text), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInputError(
            "document.base64", "is not base64 (RFC 4648, without a data: prefix)"
        ) from None


def _download(document: Document, store: ObjectStore, path: Path, *, max_bytes: int) -> None:
    key = object_key(document.input or "", root=store.root)
    try:
        sha256 = store.get_file(key, path, max_bytes=max_bytes)
    except NotFoundError:
        raise InvalidInputError(
            "document.input", "there is no such object; put it there before the request"
        ) from None
    except ObjectTooLargeError:
        raise InvalidInputError("document.input", _too_large(max_bytes)) from None
    claimed = _CLAIM_CHECK.match(key)
    expected = {document.sha256, claimed[1] if claimed else None} - {None}
    if expected - {sha256}:
        raise InvalidInputError(
            "document.input", f"the object's SHA-256 is {sha256}, not the one the request names"
        )


def _check_size(field: str, size: int, *, max_bytes: int) -> None:
    if size > max_bytes:
        raise InvalidInputError(field, _too_large(max_bytes))


def _too_large(max_bytes: int) -> str:
    return f"is larger than {max_bytes} bytes, this model's max_document_bytes; send fewer pages"
