"""What a request may say. An inference adds its own fields by subclassing `InferenceRequest`."""

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..contract import RequestMetadata
from ..contract.errors import InvalidInputError

DOCUMENT = "document"
"""File name, in the work directory, under which a request's document is found by the inference."""


class Document(BaseModel):
    """The request's input file: exactly one of `base64` (small), `input` (an object's key),
    and `url` (https, of a host that the setting `url_hosts` names).

    `input` is a key below the configured root (`inputs/<sha256>`) or its full URI; `sha256`
    (hex) is checked when given, and always for objects under `inputs/`, whose name it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base64: str | None = Field(default=None, repr=False)
    input: str | None = Field(default=None, max_length=2048)
    url: str | None = Field(default=None, max_length=8192, repr=False)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if [self.base64, self.input, self.url].count(None) != 2:
            raise ValueError("give exactly one of base64, input and url")
        return self


class InferenceRequest(BaseModel):
    """`model_input`, parsed. Unknown fields are refused, so that a typing error is not a default.

    When `document` is given, `run` finds its bytes as the file `DOCUMENT` in the work directory.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    metadata: RequestMetadata = RequestMetadata()
    document: Document | None = None


RequestType = TypeVar("RequestType", bound=InferenceRequest)


def parse_request(request_type: type[RequestType], model_input: Any) -> RequestType:
    """Raises InvalidInputError, which names the first wrong field and quotes no input."""
    if not isinstance(model_input, Mapping):
        raise InvalidInputError("model_input", "must be a JSON object")
    try:
        return request_type.model_validate(model_input)
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False, include_context=False)
    field, problem = _described(details[0]["loc"], details[0]["type"], details[0]["msg"])
    if more := len(details) - 1:
        problem += f" (and {more} more)"
    raise InvalidInputError(field, problem)


def _described(location: tuple[int | str, ...], kind: str, message: str) -> tuple[str, str]:
    field = ".".join(str(part) for part in location)[:200] or "model_input"
    match kind:
        case "extra_forbidden":
            return field, "unknown field; remove it or check its spelling"
        case "missing":
            return field, "is required"
        case _:
            return field, message.removeprefix("Value error, ")
