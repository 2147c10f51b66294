"""What a request may say: the metadata that name its result, and the model's own input."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, TypeVar, get_args, is_typeddict

from pydantic import BaseModel, ConfigDict, ValidationError

from ..contract.errors import InvalidInputError
from ..contract.keys import (
    MAX_KEY_BYTES,
    MAX_SEGMENT_BYTES,
    KeyFields,
    KeyTemplate,
    canary_key,
    escape,
)
from ..contract.manifest import ModelInfo
from ..contract.metadata import RequestMetadata, Text
from ..contract.text import printable

_Parsed = TypeVar("_Parsed", bound=BaseModel)


class InferenceRequest(BaseModel):
    """A model's input, to subclass. Unknown fields are refused, so that a typing error is not a
    default."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Whose request it is, known before anything else of it is read.

    `key` is where its result will lie. Where the metadata give no key, `problem` says why, and
    `key` is a place among the job's failures for the record of it.
    """

    request_id: str
    key: str
    metadata: RequestMetadata
    problem: InvalidInputError | None = None


def identify(
    metadata: Any, request_id: str | None, *, field: str, template: KeyTemplate, model: ModelInfo
) -> Identity:
    """`request_id` is the header's; a request without one gets an id of its own.

    `field` is the name under which the request carries its metadata.
    """
    # Baseten appends ":…" to the id on some routes.
    own_id = printable((request_id or "").partition(":")[0]) or str(uuid.uuid4())
    try:
        parsed = parse(RequestMetadata, metadata, name=field)
        fields = KeyFields(
            metadata=parsed, request_id=own_id, model=model.name, environment=model.environment
        )
        key = template.render(fields) if parsed.canary is None else canary_key(fields.value("item"))
        return Identity(request_id=own_id, key=key, metadata=parsed)
    except InvalidInputError as error:
        job = _job(metadata, template)
        # Cut, not refused: this is where a failure is recorded.
        key = template.job_prefix(job) + escape(own_id)[:MAX_SEGMENT_BYTES]
        return Identity(
            request_id=own_id, key=key, metadata=RequestMetadata(job=job), problem=error
        )


def parse(kind: type[_Parsed], value: Any, *, name: str = "") -> _Parsed:
    """Raises InvalidInputError, which names the first wrong field and quotes no input.

    `name` is the field's that `value` is; empty for the whole of a request.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False, include_context=False)
    first = details[0]
    path, known = _declared(kind, first["loc"])
    problem = _problem(first["type"], first["msg"], known)
    if more := len(details) - 1:
        problem += f" (and {more} more)"
    raise InvalidInputError(".".join([*([name] if name else []), *path]) or "model_input", problem)


def _declared(kind: type, place: Sequence[int | str]) -> tuple[list[str], list[str]]:
    """Of a wrong field's place what the model declares, and the fields that there are then.

    Other names, of unknown fields and of keys of a mapping, are the caller's own and not repeated.
    """
    path: list[str] = []
    kinds = [kind]
    for part in place:
        if of_union := [one for one in kinds if getattr(one, "__name__", None) == part]:
            kinds = of_union
            continue
        name = str(part)
        inner = [fields[name] for fields in map(_fields, kinds) if name in fields]
        if not inner and isinstance(part, str):
            break
        path.append(name)
        if inner:
            kinds = [one for annotation in inner for one in _classes(annotation)]
    return path, list(dict.fromkeys(name for one in kinds for name in _fields(one)))


def _fields(kind: type) -> dict[str, Any]:
    """Their annotations, by the names that a request has them under."""
    if issubclass(kind, BaseModel):
        return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    if is_typeddict(kind) or is_dataclass(kind):
        return kind.__annotations__
    return {}


def _classes(annotation: Any) -> Iterator[type]:
    """Every class in an annotation, however deep: `list[Page] | None` has Page."""
    parts = get_args(annotation)
    if not parts and isinstance(annotation, type):
        yield annotation
    for part in parts:
        yield from _classes(part)


class _JobOnly(BaseModel):
    """The job's name in metadata that are wrong otherwise."""

    job: Text = "adhoc"


def _job(metadata: Any, template: KeyTemplate) -> str:
    try:
        job = _JobOnly.model_validate(metadata).job
    except ValidationError:
        return "adhoc"
    most = MAX_KEY_BYTES - MAX_SEGMENT_BYTES
    return job if 0 < len(template.job_prefix(job)) <= most else "adhoc"


def _problem(error: str, message: str, known: Sequence[str]) -> str:
    match error:
        case "extra_forbidden":
            there_are = f": there are {', '.join(known)}" if known else ""
            return f"has an unknown field; remove it or check its spelling{there_are}"
        case "missing":
            return "is required"
        case _:
            return message.removeprefix("Value error, ")
