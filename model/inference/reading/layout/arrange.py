"""From lines in no order to blocks in the order in which they are read."""

from collections.abc import Sequence
from statistics import median

from ..reading import Block, Line
from .blocks import blocks_of
from .placed import Placed, placed
from .regions import in_reading_order
from .rows import join_pieces

_SAME_WORDS = 0.4  # of their height: pieces of a line with a gap of less are put together first


def arrange(lines: Sequence[Line]) -> list[Block]:
    """The page's blocks in the order in which they are read.

    A column is read to its end before the next, a table row by row; a line found in pieces is put
    together. The lines may be whole ones, cells or words; their order does not matter.
    """
    if not lines:
        return []
    pieces = join_pieces(placed(lines), gap=_SAME_WORDS)
    regions = in_reading_order(pieces)
    usual = _usual_height(pieces)
    return [block for region in regions for block in blocks_of(region, usual=usual)]


def _usual_height(pieces: Sequence[Placed]) -> float:
    """Of the page's text: half of its characters are no higher."""
    return median(piece.height for piece in pieces for _ in piece.line.text)


def without_faint(block: Block, min_confidence: float) -> Block:
    """The block without the lines, and cells, that were read with less confidence."""

    def certain(line: Line | None) -> Line | None:
        return line if line is not None and line.confidence >= min_confidence else None

    rows = [[certain(line) for line in row] for row in block.rows]
    return Block(kind=block.kind, rows=[row for row in rows if any(row)])
