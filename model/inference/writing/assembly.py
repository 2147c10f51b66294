"""Making searchable.pdf of what was planned, in a process of its own: a document is taken apart."""

from collections.abc import Generator

from truss_outbox.contract.errors import InvalidInputError

from ..files.documents import is_pdf
from .kept_pdf import keep_pages
from .picture_pdf import draw_pages
from .plan import PdfPlan


def assemble(plan: PdfPlan) -> Generator[None, None, None]:
    """Write `plan.pdf`; yields after each page. Raises InvalidInputError: damaged."""
    if plan.as_pictures or not is_pdf(plan.opening.path):
        yield from draw_pages(plan)
        return
    try:
        yield from keep_pages(plan)
    except MemoryError:
        raise
    except Exception as error:  # what is not as PDF wants it raises anything
        raise InvalidInputError(
            "document", "is a damaged PDF, which cannot be added to; print it to a new one"
        ) from error
