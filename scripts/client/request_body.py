"""The body of an async request, and where its document travels."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from model.artifacts import RequestMetadata, input_digest
from model.artifacts.errors import InvalidInputError
from model.artifacts.keys import input_key
from scripts.client.api import MAX_BODY_BYTES
from scripts.client.bucket import Bucket
from scripts.client.items import Item

_IN_MEMORY_BYTES = 8 << 20
_RESERVED_BYTES = 16 << 10
"""Of a body, for metadata. How a document travels may not depend on its labels: it is part of what
makes two requests equal."""
_OWN_FIELDS = {"document", "metadata"}
_PRIORITIES = range(3)
_QUEUE_SECONDS = range(10, 259_201)


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What the requests of a job share. `inputs` are further fields of `model_input`.

    Raises InvalidInputError for what the service or the model would refuse.
    """

    job: str
    labels: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, JsonValue] = field(default_factory=dict)
    priority: int | None = None
    max_time_in_queue_seconds: int | None = None

    def __post_init__(self) -> None:
        if self.priority is not None and self.priority not in _PRIORITIES:
            raise InvalidInputError("priority", "must be 0, 1 or 2; 0 goes first")
        seconds = self.max_time_in_queue_seconds
        if seconds is not None and seconds not in _QUEUE_SECONDS:
            raise InvalidInputError("max_time_in_queue_seconds", "must be from 10 to 259200")
        for name in _OWN_FIELDS & self.inputs.keys():
            raise InvalidInputError(f"set.{name}", "cannot be set: Outbox fills it in")

    def metadata(self, item: str) -> RequestMetadata:
        """Raises InvalidInputError where a text is not valid Unicode."""
        try:
            return RequestMetadata(job=self.job, item=item, labels=dict(self.labels))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidInputError(f"metadata.{where}", first["msg"]) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """An async request, ready to send. `digest` is the contract's digest of its input."""

    content: Mapping[str, Any]
    digest: str
    document_bytes: int


def check_body(batch: Batch, item: Item) -> None:
    """Raises InvalidInputError where the body would be too large, wherever the document is."""
    metadata = batch.metadata(item.name).model_dump(mode="json")
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
    try:
        size = item.path.stat().st_size
        document = _document(batch, item, bucket)
    except OSError as error:
        raise InvalidInputError("PATH", f"{item.path} cannot be read") from error
    content = _content(batch, item, document)
    digest = input_digest(content["model_input"])
    return Body(content=content, digest=digest, document_bytes=size)


def _document(batch: Batch, item: Item, bucket: Bucket) -> dict[str, str]:
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
    metadata = batch.metadata(item.name).model_dump(mode="json")
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
