"""What a job is made of: one item a request, under its own name, and what all requests share."""

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import JsonValue, ValidationError

from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.fingerprint import input_digest
from truss_outbox.contract.metadata import RequestMetadata

from .readable import check_readable, readable, shown_path
from .references import located, replaced

FIELD = "document"
"""The field of a model's input that a file is sent in where no other is named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One request: its input, beside what its batch shares, and what that is called.

    `name` is any text; it becomes the request's `metadata.item`. A file of this machine is
    `{"path": …}`, absolute, in any field of `inputs`; `size` is that of all such files. `place`
    says where the item comes from. `named_by_content`: two items of the same name are one.
    """

    name: str
    inputs: Mapping[str, JsonValue] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    place: str = "a row"
    named_by_content: bool = False

    @classmethod
    def of_file(
        cls, path: Path, name: str, *, field: str = FIELD, by_content: bool = False
    ) -> Self:
        """Of a name that is not UTF-8, the bytes that are none become `%XX`, and `%` is `%25`.

        Raises UnreadableFileError.
        """
        check_readable(path)
        with readable(path):
            return cls(
                name=_digest(path) if by_content else _in_utf8(name),
                inputs={field: {"path": str(path.absolute())}},
                size=path.stat().st_size,
                place=shown_path(path.absolute()),
                named_by_content=by_content,
            )

    @classmethod
    def of_inputs(
        cls,
        inputs: Mapping[str, JsonValue],
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        *,
        folder: Path = Path(),
        place: str = "a row",
    ) -> Self:
        """Without a name, it is named by its content. The files that it names lie below `folder`,
        and their paths are relative to it. Raises UnreadableFileError, which names their field,
        and InvalidInputError."""
        found, size = located(inputs, folder, below=folder)
        return cls(
            name=_content_name(found) if name is None else name,
            inputs=found,
            labels=labels or {},
            size=size,
            place=place,
            named_by_content=name is None,
        )


def _in_utf8(name: str) -> str:
    """`name`, which Python decoded with surrogates for bytes that are not UTF-8, as text."""
    if name.isascii() or not _NOT_UTF8.search(name):
        return name
    return _NOT_UTF8.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", name.replace("%", "%25"))


_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def _content_name(inputs: Mapping[str, JsonValue]) -> str:
    return input_digest(replaced(inputs, lambda file: {"sha256": _digest(file.path)}))


def _digest(path: Path) -> str:
    with readable(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_PRIORITIES = range(3)
_QUEUE_SECONDS = range(10, 259_201)
_RETRIES = {
    "max_attempts": range(1, 11),
    "initial_delay_ms": range(10_001),
    "max_delay_ms": range(60_001),
}
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What the requests of a job share. `inputs` are further fields of `model_input`; `stage` puts
    every file into the bucket, so that any machine can send the request again.

    Raises InvalidInputError for what the service or the model would refuse.
    """

    job: str
    labels: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, JsonValue] = field(default_factory=dict)
    priority: int | None = None
    max_time_in_queue_seconds: int | None = None
    webhook_endpoint: str | None = None
    max_attempts: int | None = None
    initial_delay_ms: int | None = None
    max_delay_ms: int | None = None
    stage: bool = False

    def __post_init__(self) -> None:
        if self.priority is not None and self.priority not in _PRIORITIES:
            raise InvalidInputError("priority", "must be 0, 1 or 2; 0 goes first")
        seconds = self.max_time_in_queue_seconds
        if seconds is not None and seconds not in _QUEUE_SECONDS:
            raise InvalidInputError("max_time_in_queue_seconds", "must be from 10 to 259200")
        for name, value in self.retries.items():
            if value not in _RETRIES[name]:
                least, most = _RETRIES[name][0], _RETRIES[name][-1]
                raise InvalidInputError(name, f"must be from {least} to {most}")
        if self.webhook_endpoint is not None:
            _check_webhook(self.webhook_endpoint)

    @property
    def retries(self) -> dict[str, int]:
        """The service's `inference_retry_config`, as far as it is said."""
        return {name: value for name in _RETRIES if (value := getattr(self, name)) is not None}

    def metadata(self, item: Item) -> RequestMetadata:
        """Raises InvalidInputError where a text is not valid Unicode."""
        try:
            return RequestMetadata(
                job=self.job, item=item.name, labels={**self.labels, **item.labels}
            )
        except ValidationError as error:
            # Without the input: an error must not quote what somebody wants to keep.
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidInputError(f"metadata.{where}", first["msg"]) from None

    def to_json(self) -> str:
        """For the journal: equal batches give equal texts."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    @functools.lru_cache(maxsize=64)  # a million items have few batches
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))


def _check_webhook(url: str) -> None:
    """Raises InvalidInputError, without the URL: it may hold a secret."""
    try:
        parts = urlsplit(url)
        is_url = parts.hostname and parts.scheme in {"https", "http"} and (parts.port or 1) > 0
    except ValueError:
        is_url = False
    if not is_url or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidInputError("webhook", "must be an https URL, in ASCII and without spaces")
    if parts.scheme == "http" and parts.hostname not in _LOCAL_HOSTS:
        raise InvalidInputError("webhook", "must be https; http is for localhost only")
