"""Where a job's items come from: files, folders, patterns, prefixes of a bucket, tables, stdin."""

import contextlib
import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from truss_outbox.contract.errors import InvalidInputError, NotFoundError
from truss_outbox.contract.inputs import find_place
from truss_outbox.contract.root import Root

from ..bucket.bucket import Bucket
from ..bucket.records import listed_inputs
from ..errors import UnreadableFileError
from .items import FIELD, Item
from .readable import readable, shown_path
from .tables import Columns, Tell, is_table, table_items

STDIN = "-"
_ADDRESS = ("s3://", "gs://")
_SHOWN = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How sources are read. `stored` lists the objects at an address; `stdin` is JSONL.

    `field` is the model's that a file is sent in. `base` is the folder of the files that a table's
    rows name, instead of the table's own. `skip` is told of each file that cannot be read, which is
    then left out; without it they are an error.
    """

    columns: Columns = field(default_factory=Columns)
    field: str = FIELD
    base: Path | None = None
    by_content: bool = False
    stored: Callable[[str], Iterator[Item]] | None = None
    stdin: BinaryIO | None = None
    skip: Callable[[str], None] | None = None


def find_items(sources: Iterable[str | Path], reading: Reading | None = None) -> Iterator[Item]:
    """The items, one after another.

    A file is an item by its name; a folder, every file below it by its relative path, links
    followed, hidden ones left out; a pattern, the files it matches by their path below its fixed
    part; an address, the objects below it; a table (.jsonl, .csv, .parquet, or `-`), one item a
    row. Raises InvalidInputError: nothing there, not readable, or, after the last item, a sentence
    that names files which cannot be read.
    """
    reading, found = reading or Reading(), False
    unreadable = _Unreadable(reading.skip)
    for source in sources:
        for item in _items_of(source, reading, unreadable.tell):
            found = True
            yield item
    unreadable.check()
    if not found:
        raise InvalidInputError("PATH", "there is no file to submit")


class _Unreadable:
    """The files that cannot be read: left out one by one, or an error that names them together."""

    def __init__(self, skip: Callable[[str], None] | None) -> None:
        self._skip = skip
        self._first = list[str]()
        self._count = 0

    def tell(self, error: UnreadableFileError) -> None:
        if self._skip is not None:
            self._skip(error.problem)
            return
        self._count += 1
        if len(self._first) < _SHOWN:
            self._first.append(error.problem)

    def check(self) -> None:
        """Raises InvalidInputError."""
        if self._count:
            more = self._count - len(self._first)
            rest = [f"and {more} more"] if more else []
            told = "; ".join([*self._first, *rest])
            raise InvalidInputError("PATH", f"{told}; --skip-unreadable sends the others")


def _items_of(source: str | Path, reading: Reading, tell: Tell) -> Iterator[Item]:
    text, path = str(source), Path(source)
    if text == STDIN and reading.stdin is not None:
        with readable(Path("stdin")):
            folder = reading.base or Path()
            yield from table_items("stdin", reading.stdin, reading.columns, folder, tell=tell)
    elif text.startswith(_ADDRESS):
        yield from _stored(text, reading)
    elif os.path.isdir(path):  # noqa: PTH112 - of a path that no file can have, too
        for found in _files(path, _EVERYTHING, tell):
            yield from _document(found, found.relative_to(path).as_posix(), reading, tell)
    elif os.path.lexists(path):
        # Named outright, a table is read as rows; in a folder it is a file to send.
        yield from _file(path, path.name, reading, tell)
    elif glob.has_magic(text):
        base = _fixed_part(path)
        for found in _files(base, path.relative_to(base).parts, tell):
            yield from _file(found, found.relative_to(base).as_posix(), reading, tell)
    else:
        raise InvalidInputError("PATH", f"{shown_path(path)} does not exist")


def _stored(address: str, reading: Reading) -> Iterator[Item]:
    if reading.stored is None or reading.by_content:
        raise InvalidInputError(
            "PATH", f"{address}: objects are named by their keys, and need a bucket to list"
        )
    yield from reading.stored(address)


def _file(path: Path, name: str, reading: Reading, tell: Tell) -> Iterator[Item]:
    if is_table(path) and os.access(path, os.R_OK):
        with readable(path), path.open("rb") as file:
            folder = reading.base or path.parent
            yield from table_items(str(path), file, reading.columns, folder, tell=tell)
    else:
        yield from _document(path, name, reading, tell)


def _document(path: Path, name: str, reading: Reading, tell: Tell) -> Iterator[Item]:
    try:
        yield Item.of_file(path, name, field=reading.field, by_content=reading.by_content)
    except UnreadableFileError as error:
        tell(error)


_EVERYTHING = ("**",)


def _files(top: Path, pattern: Sequence[str], tell: Tell) -> Iterator[Path]:
    """What lies below and fits, and is no folder. Linked folders are gone into; `glob` would do so
    without end."""

    def refuse(error: OSError) -> None:
        folder = shown_path(Path(error.filename))
        tell(UnreadableFileError(f"{folder} cannot be read: {error.strerror}"))

    for directory, folders, files in os.walk(top, onerror=refuse, followlinks=True):
        above = Path(directory).relative_to(top).parts
        folders[:] = sorted(
            folder
            for folder in folders
            if _fits((*above, folder), pattern, partly=True)
            and not _leads_back(Path(directory, folder), top)
        )
        for file in sorted(files):
            if _fits((*above, file), pattern):
                yield Path(directory, file)


def _fits(parts: Sequence[str], pattern: Sequence[str], *, partly: bool = False) -> bool:
    """Whether a path fits; `partly`: what lies below may. `*` and `**` leave out hidden names."""
    if not parts:
        return bool(pattern) if partly else all(wanted == "**" for wanted in pattern)
    if not pattern:
        return False
    (part, *below), (wanted, *rest) = parts, pattern
    if wanted == "**" and _fits(parts, rest, partly=partly):
        return True
    if part.startswith(".") and not wanted.startswith("."):
        return False
    if wanted == "**":
        return _fits(below, pattern, partly=partly)
    return fnmatchcase(part, wanted) and _fits(below, rest, partly=partly)


def _leads_back(folder: Path, top: Path) -> bool:
    """Whether it is a link to a folder that it lies in, whose files are found without it."""
    above = (parent for parent in folder.parents if parent == top or top in parent.parents)
    return folder.is_symlink() and any(folder.samefile(parent) for parent in above)


def _fixed_part(pattern: Path) -> Path:
    fixed = [parent for parent in pattern.parents if not glob.has_magic(str(parent))]
    return fixed[0]


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
    for one in listed_inputs(bucket, prefix):
        if not any(part.startswith(".") for part in one.key.removeprefix(prefix).split("/")):
            found = True
            yield one.key, one.size
    if key and not found:
        with contextlib.suppress(NotFoundError):
            yield key, bucket.size(key)
