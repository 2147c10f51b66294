"""The body of an async request, and what of it travels ahead, by the bucket: files that are too
large for it, and an input that is too large even so."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.fingerprint import canonical_json, input_digest
from truss_outbox.contract.keys import input_key
from truss_outbox.contract.metadata import RequestMetadata

from ..bucket.bucket import Bucket
from ..service.api import MAX_BODY_BYTES
from ..sources.items import Batch, Item
from ..sources.readable import readable
from ..sources.references import LocalFile, files_in, replaced
from .large_inputs import changed, stage_bytes, stage_file

_RESERVED_BYTES = 16 << 10
"""Of a body, for metadata. How a file travels may not depend on its labels: it is part of what
makes two requests equal."""

_MAX_INPUT_BYTES = MAX_BODY_BYTES - _RESERVED_BYTES
_MAX_METADATA_BYTES = _RESERVED_BYTES - 1024
_A_KEY = input_key("0" * 64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """An async request, ready to send. `digest` is the contract's digest of its input.

    `staged` is the item's own input where the bucket has all its files, else None.
    """

    content: Mapping[str, Any]
    digest: str
    file_bytes: int
    staged: Mapping[str, JsonValue] | None = None


def check_body(
    batch: Batch, item: Item, metadata: RequestMetadata, *, metadata_field: str = "metadata"
) -> None:
    """Raises InvalidInputError for what no request can have. `metadata` is the item's."""
    inputs = _inputs(batch, item)
    if metadata_field in inputs:
        raise InvalidInputError(
            metadata_field,
            "cannot be set: Outbox fills it in; item and labels have columns of their own, and a"
            " model that needs the field another metadata_field",
        )
    _size(replaced(inputs, lambda _: {}))
    size = _size(_as_json(metadata))
    if size > _MAX_METADATA_BYTES:
        raise InvalidInputError(
            metadata_field,
            f"takes {size} bytes of the request, more than the {_MAX_METADATA_BYTES} it may have",
        )


def make_body(
    batch: Batch, item: Item, bucket: Bucket, *, metadata_field: str = "metadata"
) -> Body:
    """Files go inside while the body may hold them, the smallest first, else, or where the batch
    says so, into the bucket under their hash; so does all of the input where it is too large
    without them.

    Raises InvalidInputError where a file cannot be read or changes meanwhile, and StoreError.
    """
    inputs, file_bytes, staged = _with_files(batch, item, bucket)
    metadata, digest = _as_json(batch.metadata(item)), input_digest(inputs)
    if _size(inputs) > _MAX_INPUT_BYTES:
        metadata["model_input"] = stage_bytes(canonical_json(inputs), bucket)
        inputs = {}
    names = ("priority", "max_time_in_queue_seconds", "webhook_endpoint")
    how = {name: value for name in names if (value := getattr(batch, name)) is not None}
    how |= {"inference_retry_config": batch.retries} if batch.retries else {}
    content = {"model_input": {**inputs, metadata_field: metadata}, **how}
    return Body(content=content, digest=digest, file_bytes=file_bytes, staged=staged)


def _inputs(batch: Batch, item: Item) -> dict[str, JsonValue]:
    return {**batch.inputs, **item.inputs}


def _as_json(metadata: RequestMetadata) -> dict[str, Any]:
    return metadata.model_dump(mode="json", exclude_none=True)


def _with_files(
    batch: Batch, item: Item, bucket: Bucket
) -> tuple[dict[str, JsonValue], int, dict[str, JsonValue] | None]:
    """The input with the files' bytes or keys instead of their paths, and how many bytes; last
    what of it an item by itself needs, where no file is inside."""
    inputs, sizes = _inputs(batch, item), dict[LocalFile, int]()
    for file in files_in(inputs):
        with readable(file.path):
            sizes[file] = file.path.stat().st_size
    inside = set[LocalFile]() if batch.stage else _inside(inputs, sizes)

    def place(file: LocalFile) -> JsonValue:
        if file not in inside:
            return file.reference(input=stage_file(file.path, bucket))
        with readable(file.path):
            data = file.path.read_bytes()
        if len(data) != sizes[file]:
            raise changed(file.path)
        return file.reference(base64=base64.b64encode(data).decode())

    placed = replaced(inputs, place)
    own = {name: one for name, one in placed.items() if name in item.inputs or one != inputs[name]}
    return placed, sum(sizes.values()), own if sizes and not inside else None


def _inside(inputs: Mapping[str, JsonValue], sizes: Mapping[LocalFile, int]) -> set[LocalFile]:
    """The files that the body may hold: as many as fit, whatever the order of the fields."""
    inside = set[LocalFile]()
    room = _MAX_INPUT_BYTES - _size(replaced(inputs, lambda file: file.reference(input=_A_KEY)))
    for file in sorted(sizes, key=lambda file: (sizes[file], file.field)):
        encoded = -(-sizes[file] // 3) * 4
        room -= encoded + len("base64") - len(_A_KEY) - len("input")
        if room < 0:
            break
        inside.add(file)
    return inside


# Made once: it takes as long as a small body.
_as_sent = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _size(content: Mapping[str, Any]) -> int:
    """As httpx sends it."""
    try:
        return len(_as_sent(content).encode())
    except (UnicodeEncodeError, ValueError):
        raise InvalidInputError(
            "model_input", "holds NaN, Infinity or half a surrogate pair"
        ) from None
