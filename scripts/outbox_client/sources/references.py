"""Files of this machine in a model's input: `{"path": "a.png"}` in any field, at any depth."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from truss_outbox.contract.errors import InvalidInputError

from .readable import check_readable

Inputs = Mapping[str, JsonValue]


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalFile:
    """A file that an input names. `field` is where: `image`, `pages.0`.

    `sha256` is what the input says of the file, for the model to check.
    """

    field: str
    path: Path
    sha256: str | None = None

    def reference(self, **source: str) -> JsonValue:
        """What stands for it in an input: its `path`, or where the model finds it."""
        return {**source, **({"sha256": self.sha256} if self.sha256 else {})}


def replaced(inputs: Inputs, replace: Callable[[LocalFile], JsonValue]) -> dict[str, JsonValue]:
    """The input with something else in place of each file."""
    return {name: _replaced(value, name, replace) for name, value in inputs.items()}


def files_in(inputs: Inputs) -> list[LocalFile]:
    files = list[LocalFile]()
    replaced(inputs, files.append)
    return files


def located(inputs: Inputs, folder: Path, *, below: Path) -> tuple[dict[str, JsonValue], int]:
    """The input with absolute paths, and how many bytes its files have together.

    Paths are relative to `folder`. Raises UnreadableFileError, which names the field, and
    InvalidInputError for what lies outside `below`, links followed.
    """
    size = 0

    def locate(file: LocalFile) -> JsonValue:
        nonlocal size
        check_readable(folder / file.path, called=f"{file.field}: {file.path}")
        path = Path(os.path.realpath(folder / file.path))
        if not path.is_relative_to(os.path.realpath(below)):
            problem = "lies outside the folder of what names it; --base names another folder"
            raise InvalidInputError("PATH", f"{file.field}: {file.path} {problem}")
        size += path.stat().st_size
        return file.reference(path=str(path))

    return replaced(inputs, locate), size


def _replaced(value: JsonValue, field: str, replace: Callable[[LocalFile], JsonValue]) -> JsonValue:
    match value:
        case {"path": str(path), "sha256": str(sha256), **more} if _is_nothing(more):
            return replace(LocalFile(field=field, path=Path(path), sha256=sha256))
        case {"path": str(path), **more} if _is_nothing(more):
            return replace(LocalFile(field=field, path=Path(path)))
        case dict():
            return {n: _replaced(one, f"{field}.{n}", replace) for n, one in value.items()}
        case list():
            return [_replaced(one, f"{field}.{n}", replace) for n, one in enumerate(value)]
    return value


def _is_nothing(values: Mapping[object, object]) -> bool:
    # Rows of Parquet have every field that one of them has.
    return all(value is None for value in values.values())
