"""The documents of a job: which files, under which names."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from model.artifacts.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One request: a document, and what it has of its own beside what its batch shares.

    `name` is any text; it becomes the request's `metadata.item`. The document is a file here
    (`path`), an object (`stored`: its key below the root), or whatever `inputs` say.
    """

    name: str
    path: Path | None = None
    stored: str | None = None
    size: int = 0
    inputs: Mapping[str, JsonValue] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def find_items(paths: Sequence[Path]) -> list[Item]:
    """A file is an item by its name; a folder, every file below it by its relative path.

    Hidden files in folders are left out. Raises InvalidInputError: nothing there, not readable,
    or two items with one name.
    """
    items = [item for path in paths for item in _items_at(path)]
    if not items:
        raise InvalidInputError("PATH", "there is no file to submit")
    check_items(items)
    return items


def check_items(items: Iterable[Item]) -> None:
    """Raises InvalidInputError: a file that cannot be read, or two items with one name."""
    seen: dict[str, Path | None] = {}
    for item in items:
        if item.name in seen:
            raise InvalidInputError(
                "PATH",
                f"{seen[item.name]} and {item.path} would both be item {item.name!r};"
                " rename one, or submit their common folder",
            )
        if item.path and not (item.path.is_file() and os.access(item.path, os.R_OK)):
            raise InvalidInputError("PATH", f"{item.path} is not a readable file")
        seen[item.name] = item.path


def _items_at(path: Path) -> Iterator[Item]:
    if not path.is_dir():
        if not path.exists():
            raise InvalidInputError("PATH", f"{path} does not exist")
        yield Item(name=path.name, path=path)
        return
    for directory, folders, files in os.walk(path, onerror=_refuse):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for file in sorted(file for file in files if not file.startswith(".")):
            found = Path(directory) / file
            yield Item(name=found.relative_to(path).as_posix(), path=found)


def _refuse(error: OSError) -> None:
    raise InvalidInputError("PATH", f"{error.filename} cannot be read: {error.strerror}") from error
