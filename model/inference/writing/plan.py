"""What is told to the process that makes searchable.pdf: each page, a line of a file."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ..files.documents import Opening


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedPage:
    """A page as it is to be seen: upright once it is turned clockwise by `rotation`.

    `size` is that of the upright page in points. `missing` shows the text that the page has not
    itself, `whole` all text of it, as PDF content on a page of `view`, width and height. It
    `was_read` by OCR, so that what an earlier one left in it goes; and `is_damaged` where its file
    wants it to be otherwise.
    """

    number: int
    rotation: int
    size: tuple[float, float]
    view: tuple[float, float]
    missing: str
    whole: str
    was_read: bool
    is_damaged: bool

    @classmethod
    def from_json(cls, text: str) -> "PlannedPage":
        values = json.loads(text)
        values["size"], values["view"] = tuple(values["size"]), tuple(values["view"])
        return cls(**values)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, kw_only=True, slots=True)
class PdfPlan:
    """`pages` is the file that has them, `characters` are the font's, `pdf` is to be written.

    `as_pictures`: of a PDF too, new pages are made of what it shows.
    """

    opening: Opening
    pages: Path
    characters: tuple[str, ...]
    pdf: Path
    as_pictures: bool

    def read_pages(self) -> Iterator[PlannedPage]:
        with self.pages.open(encoding="ascii") as file:
            for line in file:
                yield PlannedPage.from_json(line)
