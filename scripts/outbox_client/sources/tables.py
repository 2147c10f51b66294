"""Model inputs in a table: JSONL, CSV or Parquet, one item a row, a few rows in memory."""

import csv
import io
import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import JsonValue, TypeAdapter, ValidationError

from truss_outbox.contract.errors import InvalidInputError

from .items import Item

_SUFFIXES = {".jsonl", ".ndjson", ".csv", ".parquet"}
_ROWS = 256
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


def table_items(name: str, file: BinaryIO, columns: Columns, folder: Path) -> Iterator[Item]:
    """Files that rows name lie below `folder`. Raises InvalidInputError, which names the row."""
    match Path(name).suffix.lower():
        case ".csv":
            rows = _csv_rows(file, {columns.item, *columns.single_labels})
        case ".parquet":
            rows = _parquet_rows(file)
        case _:
            rows = _json_rows(file)
    number = 1
    try:
        for row in rows:
            yield _item(row, columns, folder, f"{name}, row {number}")
            number += 1
    except (ValueError, csv.Error) as error:
        told = error.problem if isinstance(error, InvalidInputError) else "cannot be read"
        raise InvalidInputError("PATH", f"{name}, row {number}: {told}") from error


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


def _json_rows(file: BinaryIO) -> Iterator[dict[str, Any]]:
    for line in file:
        if line.strip():
            try:
                yield _ROW.validate_json(line)
            except ValidationError:
                raise InvalidInputError("row", "is not a JSON object") from None


def _csv_rows(file: BinaryIO, texts: Container[str]) -> Iterator[dict[str, Any]]:
    """A cell that is JSON is a value, another one text; an empty one is not there."""
    # utf-8-sig, because Excel begins its files with a byte order mark.
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        # Cells beyond the header's come under `restkey`, which no column is called.
        for row in csv.DictReader(text, restkey=""):
            if "" in row:
                raise InvalidInputError("row", "has more cells than the table has columns")
            yield _nested({name: cell for name, cell in row.items() if cell}, texts)


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
