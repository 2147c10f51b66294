"""Files in a request: what it says of each, and where its bytes are once they are here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from ...contract.errors import InvalidInputError


class File(BaseModel):
    """A file that a request brings: exactly one of `base64` (small), `input` (an object's key),
    and `url` (https, of a host that the setting `url_hosts` names).

    `input` is a key below the root's `inputs/` (`inputs/<sha256>`), its full address, or that of an
    object below one of the setting `input_roots`; `sha256` (hex) is checked when given, and always
    where the object's name is `inputs/<sha256>`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base64: str | None = Field(default=None, repr=False)
    input: str | None = Field(default=None, max_length=2048)
    url: str | None = Field(default=None, max_length=8192, repr=False)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    _path: Path | None = PrivateAttr(default=None)
    _kept_by: Any = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if [self.base64, self.input, self.url].count(None) != 2:
            raise ValueError("give exactly one of base64, input and url")
        return self

    @property
    def path(self) -> Path:
        """The checked bytes, on disk from before `predict` until the request is answered."""
        if self._path is None:
            raise InvalidInputError("path", "the file is not here yet: it is there in predict")
        return self._path

    def put_at(self, path: Path, *, kept_by: object) -> None:
        """`kept_by` owns the folder, which lives as long as this reference."""
        self._path, self._kept_by = path, kept_by


def files_in(value: Any, field: str = "") -> Iterator[tuple[str, File]]:
    """Each File in a parsed input, with its dotted path there (`pages.0.image`)."""
    match value:
        case File():
            yield field, value
            return
        case BaseModel():
            inner = [(name, getattr(value, name)) for name in type(value).model_fields]
        case dict() | list() | tuple():
            # A mapping's keys are the caller's own: no name for an error to repeat.
            parts = value.values() if isinstance(value, dict) else value
            inner = [(str(number), part) for number, part in enumerate(parts)]
        case _:
            return
    for name, part in inner:
        yield from files_in(part, f"{field}.{name}".removeprefix("."))


def may_hold_files(model: type[BaseModel]) -> bool:
    """Whether `files_in` can find any in what is parsed as this type; said by its schema alone.

    A File has a validator in Python, and any other validator may return one.
    """
    if not model.__pydantic_complete__:  # it names a type that is yet to be defined
        return True
    waiting: list[Any] = [model.__pydantic_core_schema__]
    while waiting:
        match waiting.pop():
            case {"type": str(kind)} if kind.startswith("function-"):
                return True
            case dict(schema):
                waiting += schema.values()
            case list(schemas) | tuple(schemas):
                waiting += schemas
    return False
