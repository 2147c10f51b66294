"""The order in which a page's lines are read, whatever its resolution and however it lies."""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

from .reading import Block, Line, Point, Quad, Word
from .words import needs_space

_SAME_ROW = 0.5  # lines whose middles differ by less than this part of their height are one row
_SAME_LINE = 1.0  # and one line when the gap between them is less than this part of it


def arrange(lines: Sequence[Line]) -> list[Block]:
    """The page's blocks in the order in which they are read.

    Rows from top to bottom, each from left to right; a line found in pieces is put together.
    """
    if not lines:
        return []
    # A scan lies a little askew: rows are told apart along its slope, not along the page's edge.
    slope = median(_slope(line.quad) for line in lines)
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: _level(line, slope)):
        if rows and _level(line, slope) - _level(rows[-1][0], slope) < _SAME_ROW * min(
            _height(line.quad), _height(rows[-1][0].quad)
        ):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [Block(kind="text", rows=[[line] for row in rows for line in _joined(row)])]


def without_faint(block: Block, min_confidence: float) -> Block:
    """The block without the lines, and cells, that were read with less confidence."""

    def certain(line: Line | None) -> Line | None:
        return line if line is not None and line.confidence >= min_confidence else None

    rows = [[certain(line) for line in row] for row in block.rows]
    return Block(kind=block.kind, rows=[row for row in rows if any(row)])


def is_wide(quad: Quad) -> bool:
    """Whether it is read from left to right (or right to left), not from top to bottom."""
    (left, top), (right, bottom) = quad[0], quad[1]
    return abs(right - left) >= abs(bottom - top)


def _joined(row: Sequence[Line]) -> list[Line]:
    ordered = sorted(row, key=lambda line: _middle(line.quad)[0])
    groups = [[ordered[0]]]
    for left, right in pairwise(ordered):
        gap = right.quad[0][0] - left.quad[1][0]
        height = min(_height(left.quad), _height(right.quad))
        if is_wide(left.quad) and is_wide(right.quad) and gap < _SAME_LINE * height:
            groups[-1].append(right)
        else:
            groups.append([right])
    return [_join(group) if len(group) > 1 else group[0] for group in groups]


def _join(pieces: Sequence[Line]) -> Line:
    words: list[Word] = []
    text = ""
    for piece in pieces:
        text += " " if text and needs_space(text, piece.text) else ""
        words += [_moved(word, len(text)) for word in piece.words]
        text += piece.text
    first, last = pieces[0].quad, pieces[-1].quad
    return Line(
        text=text,
        confidence=fmean(
            [piece.confidence for piece in pieces], weights=[len(piece.text) for piece in pieces]
        ),
        quad=(first[0], last[1], last[2], first[3]),
        words=words,
    )


def _moved(word: Word, by: int) -> Word:
    return Word(text=word.text, confidence=word.confidence, quad=word.quad, start=word.start + by)


def _slope(quad: Quad) -> float:
    (left, top), (right, bottom) = quad[0], quad[1]
    return (bottom - top) / (right - left) if abs(right - left) > abs(bottom - top) else 0.0


def _level(line: Line, slope: float) -> float:
    x, y = _middle(line.quad)
    return y - slope * x


def _middle(quad: Quad) -> Point:
    return fmean(x for x, _ in quad), fmean(y for _, y in quad)


def _height(quad: Quad) -> float:
    return max(math.dist(quad[0], quad[3]), 1.0)
