"""Opening the request's document, whatever kind it is: its content says so, never its name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from truss_outbox.contract.errors import InvalidInputError

from ..reading.reading import PageImage
from ..request import Request
from ..settings import PageLimits
from .images import IMAGE_FORMATS, open_image
from .pdf import open_pdf

_HEAD_BYTES = 1024  # a PDF may begin anywhere in here (ISO 32000, annex H)


class Pages(Protocol):
    """A document's pages, one in memory at a time."""

    @property
    def count(self) -> int:
        """At least 1."""
        ...

    def check(self, number: int) -> None:
        """Look at the size of page `number`, counted from 1, before any page is read.

        Raises InvalidInputError: damaged, or too large.
        """
        ...

    def page(self, number: int) -> PageImage:
        """Page `number`, which was checked. Raises InvalidInputError: damaged."""
        ...


@contextmanager
def open_document(path: Path, request: Request, limits: PageLimits) -> Iterator[Pages]:
    """Raises InvalidInputError: not a document, damaged, encrypted."""
    # The content type that a caller states, and a file's name, are wrong too often.
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise InvalidInputError("document", "is empty; send a file that has content")
    if b"%PDF-" in head:
        password = request.password.get_secret_value() if request.password else None
        with open_pdf(path, dpi=request.dpi, password=password, limits=limits) as pdf:
            yield pdf
    elif any(matches(head) for matches in IMAGE_FORMATS.values()):
        with open_image(path, limits=limits) as image:
            yield image
    else:
        raise InvalidInputError(
            "document",
            "is neither PDF, PNG, JPEG, TIFF nor WebP; convert it to one of them",
        )


def chosen_pages(pages: Pages, request: Request, limits: PageLimits) -> list[int]:
    """The numbers of the pages to read. Raises InvalidInputError: outside, or too many."""
    ranges = request.page_ranges()
    if ranges.last > pages.count:
        raise InvalidInputError(
            "pages", f"reaches past the document's end; choose from its {pages.count} page(s)"
        )
    numbers = ranges.numbers(pages.count)
    if len(numbers) > limits.max_pages:
        raise InvalidInputError(
            "pages",
            f"asks for {len(numbers)} pages, more than the {limits.max_pages} of one request;"
            " ask for fewer, such as 1-100, in each of several requests",
        )
    return numbers
