"""Taking the rows of deleted results out of an index; cursors stay what they are.

A part that has such rows gets a next edition without them, and goes: between the two, who reads the
folder without this package finds its rows twice. Its pieces tell which of their rows are gone.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from truss_outbox.contract.errors import NotFoundError

from ..bucket.tombstones import Tombstones
from ..errors import DamagedIndexError
from . import format as index_format
from .format import Piece
from .parts import IndexParts, Part

if TYPE_CHECKING:
    from pyarrow import Schema, Table

_PASSES = 5
"""Each time, others have merged what had such rows."""


def count_rows(index: IndexParts, deleted: Tombstones) -> int:
    """How many rows of deleted results the index has. Raises StoreError, DamagedIndexError."""
    return sum(sum(_is_gone(index, part, deleted)) for part in index.read().parts)


def purge(index: IndexParts, *, job: str, find_deleted: Callable[[], Tombstones]) -> int:
    """Take them out, and return how many that were.

    May be killed and run again at any time, beside others who index, merge or purge. Raises
    StoreError, DamagedIndexError among them.
    """
    purged = 0
    for _ in range(_PASSES):
        deleted, found = find_deleted(), 0
        for part in index.read().parts:
            with contextlib.suppress(NotFoundError):  # it has been merged: the next pass looks
                found += _purge(index, part, deleted, job=job)
        index.delete(index.read().covered)
        if not found:
            break
        purged += found
    return purged


def _purge(index: IndexParts, part: Part, deleted: Tombstones, *, job: str) -> int:
    is_gone = _is_gone(index, part, deleted)
    if not any(is_gone):
        return 0
    with index.opened(part) as file, tempfile.TemporaryFile() as stored:
        pieces = list(_pieces_without(file.pieces(), is_gone))
        _write(file.tables(), is_gone, index_format.merged_schema(pieces, job=job), stored)
        stored.seek(0)
        data = stored.read()
    index.create_merged(part.first, part.last, data, edition=part.edition + 1)
    return sum(is_gone)


def _is_gone(index: IndexParts, part: Part, deleted: Tombstones) -> list[bool]:
    """Of each of its rows."""
    with index.opened(part) as file:
        return [deleted.has(*result) for some in file.results() for result in some]


def _pieces_without(pieces: tuple[Piece, ...], is_gone: list[bool]) -> Iterator[Piece]:
    gone = iter(is_gone)
    for piece in pieces:
        numbers = {row for row in piece.rows_left() if next(gone)}
        yield replace(piece, gone=piece.gone | numbers)


def _write(
    tables: "Iterator[Table]", is_gone: list[bool], schema: "Schema", file: IO[bytes]
) -> None:
    import pyarrow as pa  # noqa: PLC0415  # 0.3 seconds that other commands need not pay
    from pyarrow import parquet  # noqa: PLC0415

    done = 0
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for stored in tables:
            table = index_format.fitted(stored)
            if table is None:
                raise DamagedIndexError(
                    "index", "a later version has made it: upgrade, and delete again"
                )
            gone = is_gone[done : done + table.num_rows]
            done += table.num_rows
            rows = table.filter(pa.array([not one for one in gone], pa.bool_()))
            rows = rows.replace_schema_metadata(schema.metadata)
            writer.write_table(rows, row_group_size=max(1, rows.num_rows))
