"""How large a page may be, checked before any of its pixels exist."""

from truss_outbox.contract.errors import InvalidInputError

from ..settings import Limits


def check_size(number: int, size: tuple[int, int], limits: Limits, *, remedy: str) -> None:
    """Raises InvalidInputError unless a page of `size` (width, height in pixels) may be read."""
    width, height = size
    if width * height <= limits.max_page_pixels and max(size) <= limits.max_page_side:
        return
    raise InvalidInputError(
        "document",
        f"page {number} has {width} x {height} pixels, more than the"
        f" {limits.max_page_pixels // 1_000_000} million, or {limits.max_page_side} a side,"
        f" that are read; {remedy}",
    )
