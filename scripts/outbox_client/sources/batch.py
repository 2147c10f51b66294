"""What the requests of a job share."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

from pydantic import JsonValue, ValidationError

from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.metadata import RequestMetadata

from .items import Item

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
