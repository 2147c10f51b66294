"""Merging an index's parts into larger ones, so that any number of small ones leaves a few files.

Eight neighbours become one, eight such one again, and so on; which eight is by their numbers, so
that all runs merge the same. The merged part is created first and what it replaces is deleted then:
between the two, who reads the folder without this package finds each of these rows twice.
"""

import contextlib
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from typing import IO, TYPE_CHECKING

from truss_outbox.contract.errors import NotFoundError

from . import format as index_format
from .parts import Contents, IndexParts, Part

if TYPE_CHECKING:
    from pyarrow import Schema, Table

FAN_IN = 8
MERGED_BYTES = 24 << 20
"""What a merged part may have: it is sent in one call, so that it is there whole or not at all."""
_GROUP_ROWS, _GROUP_BYTES = 10_000, 16 << 20
"""Of a merged part's row groups: one is held in memory, here and by readers."""


def due(parts: Sequence[Part]) -> list[list[Part]]:
    """The neighbours that are to be merged. `parts` are all that count, in order."""
    groups, taken = list[list[Part]](), set[int]()
    count = parts[-1].last + 1 if parts else 0
    widths = itertools.takewhile(lambda width: width <= count, _widths())
    for width in reversed(list(widths)):
        for _, some in itertools.groupby(parts, key=lambda part: part.first // width):
            group = list(some)
            is_whole = group[-1].last % width == width - 1 and group[-1].first not in taken
            if len(group) > 1 and is_whole and sum(one.size for one in group) <= MERGED_BYTES:
                groups.append(group)
                taken.update(part.first for part in group)
    return groups


def _widths() -> Iterator[int]:
    return (FAN_IN**level for level in itertools.count(1))


def compact(index: IndexParts, contents: Contents, *, job: str) -> None:
    """Merge what is due, and delete what has been merged, where the bucket lets it go.

    May be killed and run again at any time, and by several at once. Raises StoreError,
    DamagedIndexError among them.
    """
    groups = due(contents.parts)
    # What cannot be deleted would be there twice for good.
    if not (groups or contents.covered) or not index.may_delete():
        return
    _give_memory_back()
    for group in groups:
        with contextlib.suppress(NotFoundError):  # another run has merged them
            _merge(index, group, job=job)
    index.delete(index.read().covered)


def _give_memory_back() -> None:
    """What indexing leaves is to be no part of what merging takes."""
    import pyarrow as pa  # noqa: PLC0415  # loaded by now

    pa.default_memory_pool().release_unused()


def _merge(index: IndexParts, group: Sequence[Part], *, job: str) -> None:
    pieces = [piece for part in group for piece in index.pieces(part)]
    with tempfile.TemporaryFile() as file:
        is_whole = _write(index, group, index_format.merged_schema(pieces, job=job), file)
        # Not what was read of an index that has been made anew meanwhile.
        if is_whole and set(group) <= set(index.read().parts):
            file.seek(0)
            index.create_merged(group[0].first, group[-1].last, file.read())


def _write(index: IndexParts, group: Sequence[Part], schema: "Schema", file: IO[bytes]) -> bool:
    """False where a part has other columns than this version writes."""
    from pyarrow import parquet  # noqa: PLC0415  # 0.3 seconds that other commands need not pay

    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in _row_groups(index, group):
            if table is None:
                return False
            rows = table.replace_schema_metadata(schema.metadata)
            writer.write_table(rows, row_group_size=max(1, rows.num_rows))
    return True


def _row_groups(index: IndexParts, group: Sequence[Part]) -> "Iterator[Table | None]":
    """The rows of all parts in order, some thousands at a time."""
    import pyarrow as pa  # noqa: PLC0415

    held: list[Table] = []
    for stored in itertools.chain.from_iterable(map(partial(_tables, index), group)):
        table = index_format.fitted(stored)
        if table is None:
            yield None
            return
        held.append(table)
        rows, size = sum(one.num_rows for one in held), sum(one.nbytes for one in held)
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _tables(index: IndexParts, part: Part) -> "Iterator[Table]":
    with index.opened(part) as file:
        yield from file.tables()
