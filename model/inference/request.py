"""What a request may say to this inference."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from truss_outbox import File, InferenceRequest

from .files.page_ranges import PageRanges
from .settings import Quality, Unreadable

MIN_DPI = 36
MAX_DPI = 600

ArtifactName = Literal["document.json", "text.txt", "lines.csv", "searchable.pdf", "pages"]


def _page_ranges(text: str) -> str:
    # Kept as text, which the request's schema can describe; parsed again when it is used.
    PageRanges.parse(text)
    return text


def _encodable(password: SecretStr) -> SecretStr:
    try:
        password.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode text (it holds half a surrogate pair)") from None
    return password


def _once_each(names: list[ArtifactName]) -> list[ArtifactName]:
    # Two writers of one file would mix their output.
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"names {', '.join(twice)} more than once")
    return names


class Request(InferenceRequest):
    """`pages` and `dpi` choose what is rendered (images have their own pixels, whatever `dpi`).

    `artifacts` names the files wanted; `pages` among them stands for one
    `pages/page-NNNN.png` a page. Lines read with less than `min_confidence` are left out. With
    `unreadable: "fail"` a page of text that cannot be read is an error, with "warn" a warning.
    Where `quality` and `unreadable` are not chosen they are the settings'.
    """

    document: File
    pages: Annotated[str, AfterValidator(_page_ranges)] | None = Field(
        default=None, max_length=1000
    )
    dpi: int = Field(default=150, ge=MIN_DPI, le=MAX_DPI)
    password: Annotated[SecretStr, AfterValidator(_encodable)] | None = None
    min_confidence: float = Field(default=0.5, ge=0, le=1)
    quality: Quality | None = None
    unreadable: Unreadable | None = None
    artifacts: Annotated[list[ArtifactName], AfterValidator(_once_each)] = Field(
        default=["document.json", "text.txt"], min_length=1
    )

    def page_ranges(self) -> PageRanges:
        return PageRanges.all_pages() if self.pages is None else PageRanges.parse(self.pages)
