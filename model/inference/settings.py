"""The inference's settings: config.yaml, `model_metadata.outbox.inference`."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from truss_outbox.contract.errors import ConfigurationError, InvalidInputError

_MODEL_CONFIG = ConfigDict(extra="forbid", frozen=True, strict=True)


Quality = Literal["fast", "accurate"]
"""`accurate` looks for lines at several scales, for text of any height; `fast` at the least one at
which the low ones are found, on a page whose lines are about equally high."""

Unreadable = Literal["warn", "fail"]
"""What becomes of a document with a page of text that cannot be read."""


def _inside(file: str) -> str:
    # data/ is what `truss push` ships; a path out of it would differ between machines.
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError("must be a path below data/")
    return file


class Weights(BaseModel):
    """An ONNX file below data/ that replaces the one in rapidocr's wheel."""

    model_config = _MODEL_CONFIG

    file: Annotated[str, AfterValidator(_inside)]
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class PageLimits(BaseModel):
    """What one document may ask for; a larger one is the caller's error."""

    model_config = _MODEL_CONFIG

    max_pages: int = Field(default=2000, ge=1)
    max_page_pixels: int = Field(default=40_000_000, ge=10_000)
    max_page_side: int = Field(default=20_000, ge=100)

    def check_size(self, number: int, size: tuple[int, int], *, remedy: str) -> None:
        """Raises InvalidInputError unless page `number` of `size` (width, height in pixels) may be
        read. Asked before any of its pixels exist."""
        width, height = size
        if width * height <= self.max_page_pixels and max(size) <= self.max_page_side:
            return
        raise InvalidInputError(
            "document",
            f"page {number} has {width} x {height} pixels, more than the"
            f" {self.max_page_pixels // 1_000_000} million, or {self.max_page_side} a side,"
            f" that are read; {remedy}",
        )


class InferenceSettings(PageLimits):
    """`max_document_seconds` are for all that is done for a document, `max_page_seconds` for
    opening it, and for each page until it is pixels; that may take `max_decoding_bytes` of memory,
    for a PDF a quarter of it.

    `quality` and `unreadable` are for requests that do not choose. `threads` is how many one page
    is read with; `gpu` needs onnxruntime-gpu in the image.
    """

    max_document_seconds: float = Field(default=3000, gt=0)
    max_page_seconds: float = Field(default=30, gt=0)
    max_decoding_bytes: int = Field(default=1 << 30, ge=64 << 20)
    quality: Quality = "accurate"
    unreadable: Unreadable = "warn"
    threads: int = Field(default=2, ge=1, le=64)
    gpu: bool = False
    detection: Weights | None = None
    recognition: Weights | None = None

    @classmethod
    def parse(cls, settings: Mapping[str, JsonValue]) -> "InferenceSettings":
        """Raises ConfigurationError, which names the setting."""
        try:
            return cls.model_validate(dict(settings))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(["inference", *(str(part) for part in first["loc"])])
            raise ConfigurationError(name, first["msg"]) from error
