"""The body of an async request, and where its document travels."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.artifacts import input_digest
from model.artifacts.errors import InvalidInputError
from model.artifacts.keys import input_key
from scripts.client.api import MAX_BODY_BYTES
from scripts.client.batch import Batch
from scripts.client.bucket import Bucket
from scripts.client.items import Item

_IN_MEMORY_BYTES = 8 << 20
_RESERVED_BYTES = 16 << 10
"""Of a body, for metadata. How a document travels may not depend on its labels: it is part of what
makes two requests equal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """An async request, ready to send. `digest` is the contract's digest of its input."""

    content: Mapping[str, Any]
    digest: str
    document_bytes: int


def check_body(batch: Batch, item: Item) -> None:
    """Raises InvalidInputError where the body would be too large, wherever the document is."""
    metadata = batch.metadata(item).model_dump(mode="json")
    sizes = {
        "metadata": (_size(metadata), _RESERVED_BYTES - 1024),
        "set": (_size(batch.inputs), MAX_BODY_BYTES - _RESERVED_BYTES - 1024),
    }
    for name, (size, limit) in sizes.items():
        if size > limit:
            raise InvalidInputError(
                name, f"takes {size} bytes of the request, more than the {limit} it may have"
            )


def make_body(batch: Batch, item: Item, bucket: Bucket) -> Body:
    """The document goes inside while the body may hold it, else into the bucket under its hash.

    Raises InvalidInputError where the file cannot be read or changes meanwhile, and StoreError.
    """
    assert item.path is not None
    try:
        size = item.path.stat().st_size
        document = _document(batch, item, bucket)
    except OSError as error:
        raise InvalidInputError("PATH", f"{item.path} cannot be read") from error
    content = _content(batch, item, document)
    digest = input_digest(content["model_input"])
    return Body(content=content, digest=digest, document_bytes=size)


def _document(batch: Batch, item: Item, bucket: Bucket) -> dict[str, str]:
    assert item.path is not None
    size = item.path.stat().st_size
    if size > _IN_MEMORY_BYTES:
        return {"input": _upload(item.path, bucket)}
    data = item.path.read_bytes()
    if len(data) < MAX_BODY_BYTES:
        document = {"base64": base64.b64encode(data).decode()}
        if _size({"document": document, **batch.inputs}) <= MAX_BODY_BYTES - _RESERVED_BYTES:
            return document
    key = input_key(hashlib.sha256(data).hexdigest())
    bucket.create(key, data)
    return {"input": key}


def _upload(path: Path, bucket: Bucket) -> str:
    before = path.stat()
    with path.open("rb") as file:
        key = input_key(hashlib.file_digest(file, "sha256").hexdigest())
    if not bucket.exists(key):
        bucket.upload(key, path)
        after = path.stat()
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            # What is stored may not be what its name says.
            bucket.delete(key)
            raise InvalidInputError("PATH", f"{path} changed while it was read; submit it again")
    return key


def _content(batch: Batch, item: Item, document: Mapping[str, str]) -> dict[str, Any]:
    metadata = batch.metadata(item).model_dump(mode="json")
    content: dict[str, Any] = {
        "model_input": {"document": dict(document), **batch.inputs, "metadata": metadata}
    }
    if batch.priority is not None:
        content["priority"] = batch.priority
    if batch.max_time_in_queue_seconds is not None:
        content["max_time_in_queue_seconds"] = batch.max_time_in_queue_seconds
    return content


def _size(content: Mapping[str, Any]) -> int:
    """As httpx sends it."""
    try:
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return len(text.encode())
    except (UnicodeEncodeError, ValueError):
        raise InvalidInputError("set", "holds NaN, Infinity or half a surrogate pair") from None
