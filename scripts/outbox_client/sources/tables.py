"""Model inputs in a table: JSONL, CSV or Parquet, one item a row, a few rows in memory."""

import codecs
import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import JsonValue, TypeAdapter, ValidationError

from truss_outbox.contract.errors import InvalidInputError

from ..errors import UnreadableFileError
from .items import Item

_SUFFIXES = {".jsonl", ".ndjson", ".csv", ".parquet"}
_ROWS = 256
_ESCAPED = re.compile("[\ud800-\udfff]")
_ROW: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Which columns are not the model's: the item's name, its labels (an object), and single
    labels. In a CSV file `labels.x` is the label x, and `image.path` a field of a field."""

    item: str = "item"
    labels: str = "labels"
    single_labels: tuple[str, ...] = ()


def is_table(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES


Tell = Callable[[UnreadableFileError], None]
"""Is told of a file that cannot be read; the others go on."""


def table_items(
    name: str, file: BinaryIO, columns: Columns, folder: Path, *, tell: Tell
) -> Iterator[Item]:
    """Files that rows name lie below `folder`. Raises InvalidInputError, which names the row."""
    match Path(name).suffix.lower():
        case ".csv":
            rows = _csv_rows(_lines(file, newline=""), {columns.item, *columns.single_labels})
        case ".parquet":
            rows = _parquet_rows(file)
        case _:
            rows = _json_rows(_lines(file, newline="\n"))
    number = 1
    try:
        for row in rows:
            place = f"{name}, row {number}"
            try:
                item = _item(row, columns, folder, place)
            except UnreadableFileError as error:
                tell(UnreadableFileError(f"{place}: {error.problem}"))
            else:
                yield item
            number += 1
    except (ValueError, csv.Error) as error:
        told = error.problem if isinstance(error, InvalidInputError) else "cannot be read"
        raise InvalidInputError("PATH", f"{name}, row {number}: {told}") from error


_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    # Before UTF-16, whose mark is the beginning of this one.
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NOT_UTF8 = (
    "is not UTF-8 text: save the table as UTF-8 (in Excel: CSV UTF-8), or convert it, such as by"
    " `iconv -f WINDOWS-1252 -t UTF-8`"
)


def _lines(file: BinaryIO, *, newline: str) -> Iterator[str]:
    """In UTF-8, or in what its byte order mark says. Raises InvalidInputError for other text."""
    buffered = io.BufferedReader(file)  # type: ignore[type-var]  # any file can be peeked into
    marks, head = _BYTE_ORDER_MARKS.items(), buffered.peek(4)
    encoding = next((name for mark, name in marks if head.startswith(mark)), "utf-8")
    # Not strict: that fails for a block of lines, and could not say which of them it is.
    escaping = "surrogateescape"
    with io.TextIOWrapper(buffered, encoding=encoding, errors=escaping, newline=newline) as text:
        for number, line in enumerate(text, start=1):
            if (not line.isascii() and _ESCAPED.search(line)) or "\0" in line:
                raise InvalidInputError("table", f"line {number} {_NOT_UTF8}")
            yield line


def _item(row: dict[str, Any], columns: Columns, folder: Path, place: str) -> Item:
    name, labels = row.pop(columns.item, None), row.pop(columns.labels, None) or {}
    if not isinstance(labels, Mapping):
        raise InvalidInputError(columns.labels, "must be an object of names and values")
    singles = {one: row.pop(one) for one in columns.single_labels if row.get(one) is not None}
    texts = {str(key): _text(value) for key, value in {**labels, **singles}.items()}
    own_name = None if name is None else _text(name)
    return Item.of_inputs(row, own_name, texts, folder=folder, place=place)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _json_rows(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.strip():
            try:
                yield _ROW.validate_json(line)
            except ValidationError:
                raise InvalidInputError("row", "is not a JSON object in one line") from None


def _csv_rows(lines: Iterator[str], texts: Container[str]) -> Iterator[dict[str, Any]]:
    """A cell that is JSON is a value, another one text; an empty one is not there."""
    header = next(lines, "")
    delimiter = _delimiter(header)
    if header.startswith("sep="):  # Excel's own way to say it
        header, delimiter = "", header[4:5]
    # Cells beyond the header's come under `restkey`, which no column is called.
    table = itertools.chain([header] if header else [], lines)
    for row in csv.DictReader(table, restkey="", delimiter=delimiter):
        if "" in row:
            raise InvalidInputError("row", "has more cells than the table has columns")
        yield _nested({name: cell for name, cell in row.items() if cell}, texts)


def _delimiter(header: str) -> str:
    """What stands most often between the names of the columns."""
    outside = re.sub('"[^"]*"', "", header)
    return max(",;\t", key=outside.count)


def _nested(cells: Mapping[str, str], texts: Container[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, cell in cells.items():
        *fields, last = name.split(".")
        place = row
        for part in fields:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise InvalidInputError(name, "is part of a column that has a value itself")
        is_text = name in texts or fields == ["labels"] or (fields and last == "path")
        place[last] = cell if is_text else json_or_text(cell)
    return row


def json_or_text(text: str) -> JsonValue:
    """What a person means who writes one value: `150`, `["text.txt"]`, `1-5`."""
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value


def _parquet_rows(file: BinaryIO) -> Iterator[dict[str, Any]]:
    """Without what is null."""
    import pyarrow as pa  # noqa: PLC0415  # 0.1 seconds that other sources need not pay
    from pyarrow import parquet  # noqa: PLC0415

    try:
        for rows in parquet.ParquetFile(file).iter_batches(batch_size=_ROWS):
            for row in rows.to_pylist():
                yield _ROW.validate_python({k: v for k, v in row.items() if v is not None})
    except (pa.ArrowException, OSError) as error:
        raise InvalidInputError("table", "is not Parquet") from error
    except ValidationError:
        raise InvalidInputError("row", "holds a value that JSON does not have") from None
