"""What a request may say. An inference adds its own fields by subclassing `InferenceRequest`."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..contract import KeyFields, KeyTemplate, ModelInfo, RequestMetadata
from ..contract.errors import InvalidInputError
from ..contract.keys import MAX_SEGMENT_BYTES, escape
from ..contract.metadata import Text

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
_Parsed = TypeVar("_Parsed", bound=BaseModel)


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Whose request it is, known before anything else of it is read.

    `key` is where its result will lie. Where the metadata give no key, `problem` says why, and
    `key` is a place among the job's failures for the record of it.
    """

    request_id: str
    key: str
    metadata: RequestMetadata | None
    problem: InvalidInputError | None = None


def identify(
    model_input: Any, request_id: str | None, *, template: KeyTemplate, model: ModelInfo
) -> Identity:
    """`request_id` is the header's; a request without one gets an id of its own."""
    # Baseten appends ":…" to the id on some routes.
    own_id = (request_id or "").partition(":")[0] or str(uuid.uuid4())
    given = model_input.get("metadata", {}) if isinstance(model_input, Mapping) else {}
    try:
        metadata = _parse(RequestMetadata, given, name="metadata")
        fields = KeyFields(
            metadata=metadata, request_id=own_id, model=model.name, environment=model.environment
        )
        return Identity(request_id=own_id, key=template.render(fields), metadata=metadata)
    except InvalidInputError as error:
        key = _key_for_failure(given, own_id, template)
        return Identity(request_id=own_id, key=key, metadata=None, problem=error)


def parse_request(
    request_type: type[RequestType], model_input: Any, identity: Identity
) -> RequestType:
    """Raises InvalidInputError, which names the first wrong field and quotes no input."""
    if not isinstance(model_input, Mapping):
        raise InvalidInputError("model_input", "must be a JSON object")
    if identity.problem is not None:
        raise identity.problem
    # The metadata were parsed for the key, and are not parsed again.
    return _parse(request_type, {**model_input, "metadata": identity.metadata})


class _JobOnly(BaseModel):
    """The job's name in metadata that are wrong otherwise."""

    job: Text = "adhoc"


def _key_for_failure(metadata: Any, request_id: str, template: KeyTemplate) -> str:
    try:
        prefix = template.job_prefix(_JobOnly.model_validate(metadata).job)
    except ValidationError:
        prefix = ""
    if not 0 < len(prefix) <= MAX_SEGMENT_BYTES:
        prefix = template.job_prefix("adhoc")
    # Cut, not refused: this is where a failure is recorded.
    return prefix + escape(request_id)[:MAX_SEGMENT_BYTES]


def _parse(kind: type[_Parsed], value: Any, *, name: str = "") -> _Parsed:
    """`name` is the field's that `value` is; empty for the whole of a request."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False, include_context=False)
    first = details[0]
    path = [name, *map(str, first["loc"])] if name else [str(part) for part in first["loc"]]
    problem = _problem(first["type"], first["msg"])
    if more := len(details) - 1:
        problem += f" (and {more} more)"
    raise InvalidInputError(".".join(path)[:200] or "model_input", problem)


def _problem(kind: str, message: str) -> str:
    match kind:
        case "extra_forbidden":
            return "unknown field; remove it or check its spelling"
        case "missing":
            return "is required"
        case _:
            return message.removeprefix("Value error, ")
