"""Where a job's items come from: files, folders, patterns, prefixes of a bucket, tables, stdin."""

import contextlib
import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from truss_outbox.contract.errors import InvalidInputError, NotFoundError
from truss_outbox.contract.inputs import find_place
from truss_outbox.contract.root import Root

from ..bucket.bucket import Bucket
from .items import FIELD, Item, readable
from .tables import Columns, is_table, table_items

STDIN = "-"
_ADDRESS = ("s3://", "gs://")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How sources are read. `stored` lists the objects at an address; `stdin` is JSONL.

    `field` is the model's that a file is sent in. `base` is the folder of the files that a table's
    rows name, instead of the table's own.
    """

    columns: Columns = field(default_factory=Columns)
    field: str = FIELD
    base: Path | None = None
    by_content: bool = False
    stored: Callable[[str], Iterator[Item]] | None = None
    stdin: BinaryIO | None = None


def find_items(sources: Iterable[str | Path], reading: Reading | None = None) -> Iterator[Item]:
    """The items, one after another.

    A file is an item by its name; a folder, every file below it by its relative path, hidden ones
    left out; a pattern, the files it matches by their path below its fixed part; an address, the
    objects below it; a table (.jsonl, .csv, .parquet, or `-`), one item a row.
    Raises InvalidInputError: nothing there, or not readable.
    """
    reading, found = reading or Reading(), False
    for source in sources:
        for item in _items_of(source, reading):
            found = True
            yield item
    if not found:
        raise InvalidInputError("PATH", "there is no file to submit")


def _items_of(source: str | Path, reading: Reading) -> Iterator[Item]:
    text, path = str(source), Path(source)
    if text == STDIN and reading.stdin is not None:
        yield from table_items("stdin", reading.stdin, reading.columns, reading.base or Path())
    elif text.startswith(_ADDRESS):
        yield from _stored(text, reading)
    elif path.is_dir():
        yield from _below(path, reading)
    elif path.exists():
        # Named outright, a table is read as rows; in a folder it is a file to send.
        yield from _file(path, path.name, reading)
    elif glob.has_magic(text):
        base = _fixed_part(path)
        matches = (Path(match) for match in sorted(glob.iglob(text, recursive=True)))  # noqa: PTH207 - absolute ones too
        for match in matches:
            if match.is_file():
                yield from _file(match, match.relative_to(base).as_posix(), reading)
    else:
        raise InvalidInputError("PATH", f"{path} does not exist")


def _stored(address: str, reading: Reading) -> Iterator[Item]:
    if reading.stored is None or reading.by_content:
        raise InvalidInputError(
            "PATH", f"{address}: objects are named by their keys, and need a bucket to list"
        )
    yield from reading.stored(address)


def _file(path: Path, name: str, reading: Reading) -> Iterator[Item]:
    if is_table(path):
        with readable(path), path.open("rb") as file:
            folder = reading.base or path.parent
            yield from table_items(str(path), file, reading.columns, folder)
    else:
        yield Item.of_file(path, name, field=reading.field, by_content=reading.by_content)


def _below(path: Path, reading: Reading) -> Iterator[Item]:
    for directory, folders, files in os.walk(path, onerror=_refuse):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for file in sorted(file for file in files if not file.startswith(".")):
            found = Path(directory) / file
            name = found.relative_to(path).as_posix()
            yield Item.of_file(found, name, field=reading.field, by_content=reading.by_content)


def _fixed_part(pattern: Path) -> Path:
    fixed = [parent for parent in pattern.parents if not glob.has_magic(str(parent))]
    return fixed[0]


def _refuse(error: OSError) -> None:
    raise InvalidInputError("PATH", f"{error.filename} cannot be read: {error.strerror}") from error


def stored_items(
    address: str,
    *,
    field: str,
    root: str,
    input_roots: Sequence[str],
    open_root: Callable[[str], Bucket],
) -> Iterator[Item]:
    """The objects below the address, or the one that is there, each in the model's `field`; hidden
    ones are left out.

    `root` and `input_roots` are the deployed model's: it reads nothing else. `open_root` makes of
    one of them its bucket. Raises InvalidInputError where the model could not read the objects, or
    there are none, ConfigurationError where a root is none, and StoreError.
    """
    own = Root.parse(root)
    further = [Root.parse(one, setting="input_roots") for one in input_roots]
    place, key = _split(address, own, further)
    found = False
    for path, size in _objects(open_root(str(place)), key):
        found = True
        # What lies below the model's own root goes by its key: the same object then has one name
        # however the root is written.
        stored = f"{place}/{path}".removeprefix(f"{own}/")
        name = path.removeprefix(f"{key}/") if key else path
        yield Item(
            name=name if path != key else key.rpartition("/")[2],
            inputs={field: {"input": stored}},
            size=size,
            place=stored,
        )
    if not found:
        raise InvalidInputError("PATH", f"{address}: there is no object")


def _split(address: str, own: Root, further: Sequence[Root]) -> tuple[Root, str]:
    """The root that the address lies below for the model too, and its key there."""
    places = {str(place): place for place in (*further, own)}
    found = find_place(address.rstrip("/"), root=str(own), input_roots=list(map(str, further)))
    if found is None:
        raise InvalidInputError(
            "PATH",
            f"{address}: of its own root the model reads {own}/inputs/... alone; copy the documents"
            " there, or name their prefix in the model's setting input_roots",
        )
    place, key = found
    if key and any(segment in {"", ".", ".."} for segment in key.split("/")):
        raise InvalidInputError("PATH", f"{address}: has an empty, . or .. segment")
    return places[place], key


def _objects(bucket: Bucket, key: str) -> Iterator[tuple[str, int]]:
    """Path and size of each object below the key; else of the one that has it."""
    prefix, found = f"{key}/" if key else "", False
    for one in bucket.objects(prefix):
        if not any(part.startswith(".") for part in one.key.removeprefix(prefix).split("/")):
            found = True
            yield one.key, one.size
    if key and not found:
        with contextlib.suppress(NotFoundError):
            yield key, bucket.size(key)
