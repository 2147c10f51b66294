"""The blocks of a region: a table's rows with their cells, other lines one below the other."""

from bisect import bisect
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from ..reading import Block, BlockKind, Line
from .columns import is_prose
from .placed import Placed
from .regions import HEADING, Region
from .rows import join, join_row, rows_of

_SAME_LINE = 1.0  # of their height: pieces of a row with a gap of less are one line
_NOTE = 0.85  # of the page's usual height
_NOTE_CHARACTERS = 20  # at least: a few letters may be low because none of them reaches up or down
_LABEL = 4  # characters, or less, before a line
_APART = 0.4  # of a line's height more than usual, between two lines: a paragraph begins
_LEAST_ROWS = 2  # with more than one cell


def blocks_of(region: Region, *, usual: float) -> list[Block]:
    """`usual` is the height of the page's text: higher is a heading, lower a note."""
    rows = rows_of(region.pieces)
    if _is_list(region):
        lines = [join(row) for row in rows]
    elif region.columns and sum(len(row) > 1 for row in rows) >= _LEAST_ROWS:
        return [Block(kind="table", rows=[_cells(row, region.columns) for row in rows])]
    else:
        lines = [line for row in rows for line in join_row(row, gap=_SAME_LINE)]
    return [
        Block(kind=_kind(paragraph, usual), rows=[[piece.line] for piece in paragraph])
        for paragraph in _paragraphs(lines, usual)
    ]


def _is_list(region: Region) -> bool:
    """Whether it is prose with numbers, or the like, before some of its lines."""
    if len(region.columns) != 1:
        return False
    [between] = region.columns
    labels = [piece for piece in region.pieces if piece.right <= between]
    text = [piece for piece in region.pieces if piece.left >= between]
    return is_prose(text) and max(len(label.line.text) for label in labels) <= _LABEL


def _paragraphs(lines: Sequence[Placed], usual: float) -> list[list[Placed]]:
    gaps = [below.top - above.bottom for above, below in pairwise(lines)]
    most = (median(gaps) if gaps else 0.0) + _APART * usual
    paragraphs = [[lines[0]]]
    for gap, (above, below) in zip(gaps, pairwise(lines), strict=True):
        if gap > most or _is_heading(above, usual) != _is_heading(below, usual):
            paragraphs.append([])
        paragraphs[-1].append(below)
    return paragraphs


def _is_heading(line: Placed, usual: float) -> bool:
    return line.height > HEADING * usual


def _kind(paragraph: Sequence[Placed], usual: float) -> BlockKind:
    if _is_heading(paragraph[0], usual):
        return "heading"
    is_low = median(line.height for line in paragraph) < _NOTE * usual
    is_long = sum(len(line.line.text) for line in paragraph) >= _NOTE_CHARACTERS
    return "note" if is_low and is_long else "text"


def _cells(row: Sequence[Placed], columns: Sequence[float]) -> list[Line | None]:
    """A line for each column, from left to right, None where it has none."""
    cells: list[list[Placed]] = [[] for _ in range(len(columns) + 1)]
    for piece in row:
        cells[bisect(columns, piece.middle)].append(piece)
    return [join(cell).line if cell else None for cell in cells]
