"""What a request's result says in a few numbers."""

from pydantic import JsonValue

from ..reading.reading import Page


class Summary:
    """Counts over the pages added so far; a line counts for `mean_confidence` once."""

    def __init__(self) -> None:
        self._pages = 0
        self._turned_pages = 0
        self._lines = 0
        self._characters = 0
        self._confidence = 0.0

    def add(self, page: Page) -> None:
        self._pages += 1
        self._turned_pages += page.rotation != 0
        self._lines += len(page.lines)
        self._characters += sum(len(line.text) for line in page.lines)
        self._confidence += sum(line.confidence for line in page.lines)

    def result(self) -> JsonValue:
        """`mean_confidence` is null where there is no line."""
        return {
            "pages": self._pages,
            "turned_pages": self._turned_pages,
            "lines": self._lines,
            "characters": self._characters,
            "mean_confidence": round(self._confidence / self._lines, 4) if self._lines else None,
        }
