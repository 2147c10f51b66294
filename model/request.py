"""What a request may say. An inference adds its own fields by subclassing `InferenceRequest`."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model.artifacts import RequestMetadata

DOCUMENT = "document"
"""File name, in the work directory, under which a request's document is found by the inference."""


class Document(BaseModel):
    """The request's input file: exactly one of `base64` (small) or `input` (an object's key).

    `input` is a key below the configured root (`inputs/<sha256>`) or its full URI; `sha256`
    (hex) is checked when given, and always for objects under `inputs/`, whose name it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base64: str | None = Field(default=None, min_length=1)
    input: str | None = Field(default=None, min_length=1, max_length=2048)
    sha256: str | None = Field(default=None, pattern=r"\A[0-9a-f]{64}\Z")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.base64 is None) == (self.input is None):
            raise ValueError("give exactly one of base64 and input")
        return self


class InferenceRequest(BaseModel):
    """`model_input`, parsed. Unknown fields are refused, so that a typing error is not a default.

    When `document` is given, `run` finds its bytes as the file `DOCUMENT` in the work directory.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    metadata: RequestMetadata = RequestMetadata()
    document: Document | None = None
