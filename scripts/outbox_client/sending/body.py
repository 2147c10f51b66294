"""The body of an async request, and where its document travels: inside, or ahead by the bucket."""

import base64
import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from pydantic import JsonValue

from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.fingerprint import input_digest
from truss_outbox.contract.keys import input_key

from ..bucket.bucket import Bucket
from ..service.api import MAX_BODY_BYTES
from ..sources.items import Batch, Item, readable

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
    metadata = batch.metadata(item).model_dump(mode="json", exclude_none=True)
    sizes = {
        "metadata": (_size(metadata), _RESERVED_BYTES - 1024),
        "set": (_size(_inputs(batch, item)), MAX_BODY_BYTES - _RESERVED_BYTES - 1024),
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
    inputs, size = _inputs(batch, item), item.size
    if item.stored is not None:
        inputs = {"document": {"input": item.stored}, **inputs}
    elif item.path is not None:
        document, size = _document(item.path, inputs, bucket)
        inputs = {"document": document, **inputs}
    content = _content(batch, item, inputs)
    return Body(content=content, digest=input_digest(inputs), document_bytes=size)


def _inputs(batch: Batch, item: Item) -> dict[str, JsonValue]:
    return {**batch.inputs, **item.inputs}


def _document(path: Path, inputs: Mapping[str, JsonValue], bucket: Bucket) -> tuple[JsonValue, int]:
    """And its size."""
    with readable(path):
        size = path.stat().st_size
        if size >= MAX_BODY_BYTES:  # too large whatever else is in the body: do not read it
            return {"input": stage_file(path, bucket)}, size
        data = path.read_bytes()
    document: dict[str, JsonValue] = {"base64": base64.b64encode(data).decode()}
    if _size({"document": document, **inputs}) <= MAX_BODY_BYTES - _RESERVED_BYTES:
        return document, len(data)
    return {"input": stage_bytes(data, bucket)}, len(data)


def _content(batch: Batch, item: Item, inputs: Mapping[str, JsonValue]) -> dict[str, Any]:
    metadata = batch.metadata(item).model_dump(mode="json", exclude_none=True)
    names = ("priority", "max_time_in_queue_seconds")
    how = {name: value for name in names if (value := getattr(batch, name)) is not None}
    return {"model_input": {**inputs, "metadata": metadata}, **how}


def _size(content: Mapping[str, Any]) -> int:
    """As httpx sends it."""
    try:
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return len(text.encode())
    except (UnicodeEncodeError, ValueError):
        raise InvalidInputError("set", "holds NaN, Infinity or half a surrogate pair") from None


IN_MEMORY_BYTES = 8 << 20

_LIGHT_BYTES = 256 << 10
_IN_MEMORY = BoundedSemaphore(6)
"""Files at a time that are neither light nor streamed."""

_STREAMED = BoundedSemaphore(2)
# Module-wide: several calls at a time share the memory of one process.


def stage_file(path: Path, bucket: Bucket) -> str:
    """The key, once the bucket holds the file; equal files share one."""
    with readable(path):
        size = path.stat().st_size
        with _room(size):
            if size > IN_MEMORY_BYTES:
                return _stream(path, bucket)
            return stage_bytes(path.read_bytes(), bucket)


def stage_bytes(data: bytes, bucket: Bucket) -> str:
    key = input_key(hashlib.sha256(data).hexdigest())
    bucket.create(key, data)
    return key


def _room(size: int) -> contextlib.AbstractContextManager[object]:
    """A place among the files that are on their way: all of them together hold little memory."""
    if size <= _LIGHT_BYTES:
        return contextlib.nullcontext()
    return _IN_MEMORY if size <= IN_MEMORY_BYTES else _STREAMED


def _stream(path: Path, bucket: Bucket) -> str:
    before = path.stat()
    with path.open("rb") as file:
        key = input_key(hashlib.file_digest(file, "sha256").hexdigest())
    if not bucket.exists(key):  # sent before, or by another job: content has one place
        bucket.upload(key, path)
        after = path.stat()
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            # What is stored may not be what its name says.
            bucket.delete(key)
            raise InvalidInputError("PATH", f"{path} changed while it was read; submit it again")
    return key
