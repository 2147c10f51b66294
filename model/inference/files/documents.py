"""Opening the request's document, whatever kind it is.

`open_pages` does so in a process of its own: a document of a few kilobytes can ask for days, or for
more memory than there is.
"""

import pickle
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import cv2
import numpy as np

from truss_outbox import run_isolated
from truss_outbox.contract.errors import InvalidInputError

from ..reading.reading import PageImage
from ..request import Request
from ..settings import InferenceSettings, PageLimits, TextMode
from .images import open_image
from .kinds import format_of, head_of
from .page_ranges import PageRanges
from .pdf import open_pdf
from .refused import refusal_of
from .sent_lines import received_lines, sent_lines

_PDF_SHARE = 2
"""PDFium draws the largest page, with a picture as large, in half of the memory that Pillow takes
to open such a picture and convert it."""


class Pages(Protocol):
    """A document's pages, one in memory at a time."""

    def count(self, at_most: int) -> int:
        """How many there are, at least 1; counted no further than `at_most`.

        Raises InvalidInputError: damaged.
        """
        ...

    def check(self, number: int) -> None:
        """Look at the size of page `number`, counted from 1, before any page is read.

        Raises InvalidInputError: damaged, or too large.
        """
        ...

    def page(self, number: int) -> PageImage:
        """Page `number`, which was checked. Raises InvalidInputError: damaged."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """What a process needs to know to open a document."""

    path: Path
    ranges: PageRanges
    dpi: int
    password: str | None
    text: TextMode
    limits: PageLimits

    @classmethod
    def of(cls, request: Request, settings: InferenceSettings) -> Self:
        return cls(
            path=request.document.path,
            ranges=request.page_ranges(),
            dpi=request.dpi,
            password=request.password.get_secret_value() if request.password else None,
            text=request.text or settings.text,
            limits=settings,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """A page, its number in the document, and how long it took."""

    number: int
    image: PageImage
    seconds: float


@contextmanager
def open_pages(request: Request, settings: InferenceSettings) -> Iterator[Iterator[Decoded]]:
    """The pages that a request asks for; all of them were checked. Raises InvalidInputError, also
    while they are taken: not a document, damaged, encrypted, too large, or too much to read."""
    opening = Opening.of(request, settings)
    share = _PDF_SHARE if is_pdf(opening.path) else 1
    values = run_isolated(
        decode,
        opening,
        field="document",
        seconds=settings.max_document_seconds,
        step_seconds=settings.max_page_seconds,
        memory_bytes=settings.max_decoding_bytes // share,
    )
    with closing(values):
        next(values)
        yield _received(values)


def ready() -> None:
    """In the other process: it has imported all that opens documents."""


def decode(opening: Opening) -> Generator[Any, None, None]:
    """In the other process: first nothing, when all is checked, then each page."""
    with open_document(opening) as pages:
        numbers = chosen_pages(pages, opening.ranges, opening.limits)
        # All before the first is read: page 99 being too large is said at once.
        for number in numbers:
            pages.check(number)
        yield None
        for number in numbers:
            page = _page(pages, number)
            yield (
                number,
                pickle.PickleBuffer(page.pixels.data),
                page.pixels.shape,
                page.size,
                page.dpi,
                page.dpi_source,
                sent_lines(page.layer),
                page.layer_is_whole,
                tuple(page.warnings),
            )


def _page(pages: Pages, number: int) -> PageImage:
    try:
        return pages.page(number)
    except cv2.error as error:
        if error.code == cv2.Error.STS_NO_MEM or "bad_alloc" in str(error):
            raise MemoryError from error
        raise


def chosen_pages(pages: Pages, ranges: PageRanges, limits: PageLimits) -> list[int]:
    """The numbers of the pages to read. Raises InvalidInputError: outside, or too many."""
    too_many = limits.max_pages + 1
    count = pages.count(ranges.last if 0 < ranges.total < too_many else too_many)
    if count < min(ranges.last, too_many):
        raise InvalidInputError(
            "pages", f"reaches past the document's end; choose from its {count} page(s)"
        )
    numbers = ranges.numbers(count)
    if len(numbers) >= too_many:
        raise InvalidInputError(
            "pages",
            f"asks for more than the {limits.max_pages} pages of one request; ask for fewer, such"
            " as 1-100, in each of several requests",
        )
    return numbers


def _received(values: Iterator[Any]) -> Iterator[Decoded]:
    while True:
        started = time.perf_counter()
        value = next(values, None)
        if value is None:
            return
        number, content, shape, size, dpi, source, layer, is_whole, warnings = value
        image = PageImage(
            pixels=np.frombuffer(content, np.uint8).reshape(shape),
            size=size,
            dpi=dpi,
            dpi_source=source,
            layer=received_lines(layer),
            layer_is_whole=is_whole,
            warnings=list(warnings),
        )
        yield Decoded(number=number, image=image, seconds=time.perf_counter() - started)


@contextmanager
def open_document(opening: Opening) -> Iterator[Pages]:
    """In the other process. Raises InvalidInputError."""
    match format_of(head_of(opening.path)):
        case None:
            raise refusal_of(opening.path)
        case "PDF":
            with open_pdf(
                opening.path,
                dpi=opening.dpi,
                password=opening.password,
                text=opening.text,
                limits=opening.limits,
            ) as pdf:
                yield pdf
        case _:
            with open_image(opening.path, limits=opening.limits) as image:
                yield image


def is_pdf(path: Path) -> bool:
    return format_of(head_of(path)) == "PDF"
