"""Where in a file its PDF begins and ends, and whether it was cut off.

PDFium opens what is left of a PDF that was cut off, with pages that lack their content, and never
says so. What came before or after a whole one, such as a web server's page, does no harm.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .kinds import HEAD_BYTES

_BLOCK_BYTES = 1 << 20
_OVERLAP_BYTES = 64
_OVERLOOKED_BYTES = 1024

_LANDMARK = re.compile(rb"startxref|trailer|endobj|endstream|[0-9]\s{1,9}obj\b")
_END = re.compile(rb"startxref\s{0,9}([0-9]{0,20})\s{0,9}(?:%%EOF)?")
_TRAILER = re.compile(rb"trailer\s{0,9}<<.*/Root\b.*>>", re.DOTALL)
_TRAILER_BYTES = 1 << 14


class Extent(NamedTuple):
    """Of a PDF in its file: its first byte, and the one after its last."""

    start: int
    end: int

    def is_almost(self, path: Path) -> bool:
        """Whether so little is around it that every reader of PDFs finds it."""
        return self.start == 0 and path.stat().st_size - self.end < _OVERLOOKED_BYTES


def find_extent(path: Path) -> Extent | None:
    """None where the PDF was cut off: a revision's objects are not followed by where they are."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        start = max(head.find(b"%PDF-"), 0)
        size = file.seek(0, os.SEEK_END)
        place = _last_landmark(file, start, size)
        file.seek(place)
        found = file.read(_TRAILER_BYTES)
    end = _END.match(found)
    if end is None:
        # The last few bytes alone are missing, which is no harm: PDFium finds the objects itself.
        return Extent(start, size) if _TRAILER.match(found) else None
    # A file that is made to be shown while it comes has such an end after its first page too.
    if end[1] == b"0" and b"/Linearized" in head[start : start + 1024]:
        return None
    return Extent(start, place + end.end())


def _last_landmark(file: BinaryIO, start: int, size: int) -> int:
    """Where it is; the start where there is none."""
    for begin, block in _blocks_from_the_end(file, start, size):
        places = [match.start() for match in _LANDMARK.finditer(block)]
        if places:
            return begin + places[-1]
    return start


def _blocks_from_the_end(file: BinaryIO, start: int, size: int) -> Iterator[tuple[int, bytes]]:
    end = size
    while end > start:
        begin = max(end - _BLOCK_BYTES, start)
        file.seek(begin)
        yield begin, file.read(end - begin + _OVERLAP_BYTES)
        end = begin
