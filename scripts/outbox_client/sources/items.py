"""What a job is made of: one item a request, under its own name, and what all requests share."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from pydantic import JsonValue, ValidationError

from truss_outbox.contract.errors import InvalidInputError, OutboxError
from truss_outbox.contract.fingerprint import input_digest
from truss_outbox.contract.metadata import RequestMetadata


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One request: a document, and what it has of its own beside what its batch shares.

    `name` is any text; it becomes the request's `metadata.item`. The document is a file here
    (`path`), an object (`stored`: its key below the root, or its address), or what `inputs` say.
    `named_by_content`: two items of the same name are one.
    """

    name: str
    path: Path | None = None
    stored: str | None = None
    size: int = 0
    inputs: Mapping[str, JsonValue] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    named_by_content: bool = False

    @property
    def place(self) -> str:
        """Where it comes from, for a sentence."""
        return str(self.path or self.stored or "a row")

    @classmethod
    def of_file(cls, path: Path, name: str, *, by_content: bool = False) -> Self:
        """Raises InvalidInputError where it is not a readable file."""
        if not (path.is_file() and os.access(path, os.R_OK)):
            raise InvalidInputError("PATH", f"{path} is not a readable file")
        return cls(
            name=_digest(path) if by_content else name,
            path=path,
            size=path.stat().st_size,
            named_by_content=by_content,
        )

    @classmethod
    def of_inputs(
        cls, inputs: Mapping[str, JsonValue], name: str | None, labels: Mapping[str, str]
    ) -> Self:
        """Without a name, it is named by what its input says."""
        return cls(
            name=input_digest(inputs) if name is None else name,
            inputs=inputs,
            labels=labels,
            named_by_content=name is None,
        )


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns what goes wrong with the file into InvalidInputError, and leaves our own errors be."""
    try:
        yield
    except OutboxError:
        raise
    except OSError as error:
        raise InvalidInputError("PATH", f"{path} cannot be read: {error.strerror}") from error


def _digest(path: Path) -> str:
    with readable(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))
