"""One job's results in the order of its index, from a cursor on."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from truss_outbox.contract.errors import InvalidInputError, NotFoundError

from .format import Piece
from .parts import IndexParts, Part

_CURSOR = re.compile(r"(\d{1,8})\.([0-9a-f]{8})\.(\d{1,9})\Z")
_TRIES = 5
"""Each time, others have merged what was to be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """After `row` rows of what was created as the part of that number, and had that id."""

    number: int = 0
    part_id: str = ""
    row: int = 0

    @classmethod
    def parse(cls, cursor: str) -> Self:
        """Raises InvalidInputError."""
        match = _CURSOR.match(cursor)
        if match is None:
            raise InvalidInputError("since", "must be the cursor of a result")
        return cls(number=int(match[1]), part_id=match[2], row=int(match[3]))

    def __str__(self) -> str:
        return f"{self.number}.{self.part_id}.{self.row}"


Row = tuple[Position, dict[str, Any]]
Columns = Sequence[str] | None
"""None is all; key and attempt are among them."""


def rows_after(index: IndexParts, start: Position, *, columns: Columns = None) -> Iterator[Row]:
    """Each row, and the position after it. Only parts that have some of them are read.

    Raises InvalidInputError where the index does not have the position, DamagedIndexError and
    StoreError.
    """
    position, tries = start, 0
    while True:
        parts = index.read().since(start.number)
        if position.part_id and not parts:
            raise _of_another_index()
        try:
            for here, record in _rows(index, parts, position, columns):
                position, tries = here, 0
                yield here, record
        except NotFoundError:
            tries += 1
            if tries == _TRIES:
                raise
        else:
            return


def _rows(
    index: IndexParts, parts: Sequence[Part], start: Position, columns: Columns
) -> Iterator[Row]:
    for part in parts:
        if part.last < start.number:
            continue
        deleted = index.deleted()
        with index.opened(part) as file:
            pieces = file.pieces()
            skip = _passed(pieces, start) if part.first <= start.number else 0
            rows = file.rows(skip=skip, columns=columns)
            for piece in pieces:
                done = start.row if piece.number == start.number else 0
                if piece.number < start.number:
                    continue
                for row, record in zip(piece.rows_left(after=done), rows, strict=False):
                    here = Position(number=piece.number, part_id=piece.part_id, row=row)
                    if not deleted.has(record["key"], record["attempt"]):
                        yield here, record


def _passed(pieces: Sequence[Piece], start: Position) -> int:
    """The rows before the start."""
    if not start.part_id:
        return 0
    before = sum(piece.left for piece in pieces if piece.number < start.number)
    for piece in pieces:
        if (piece.number, piece.part_id) == (start.number, start.part_id) and (
            start.row <= piece.rows
        ):
            return before + piece.left - sum(1 for _ in piece.rows_left(after=start.row))
    raise _of_another_index()


def _of_another_index() -> InvalidInputError:
    return InvalidInputError(
        "since",
        "the cursor is not of this job's index, which may have been made anew: start without",
    )
