"""Whose result it is: what a request says about itself."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_TEXT_BYTES = 64 << 10
"""Of a job, an item, or all labels together: they go into the manifest, which is bounded too."""


def _fitting(text: str) -> str:
    # JSON can spell half a surrogate pair (`"\\ud800"`); no key and no file name could hold it.
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode text (it holds half a surrogate pair)") from None
    _check_size(size)
    return text


def _fitting_together(labels: Mapping[str, str]) -> Mapping[str, str]:
    _check_size(sum(len(text.encode()) for pair in labels.items() for text in pair))
    return labels


def _check_size(size: int) -> None:
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"{size:,} bytes are more than {MAX_TEXT_BYTES:,}: send them in the input")


Text = Annotated[str, AfterValidator(_fitting)]


class Canary(BaseModel):
    """Asks for a small result without inference. `fail_attempts` of 1: the first attempt fails."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    fail_attempts: int = Field(default=0, ge=0, le=1)


class RequestMetadata(BaseModel):
    """`metadata` of a request. `job` and `item` may be any text; keys escape them.

    `item` is the request's id where it is absent, `labels` are for the key template
    (`{labels.NAME}`) and for readers of the manifests. `model_input` is the key of the object that
    holds all else of a request too large to be sent: its canonical JSON, named by its SHA-256. The
    request then has nothing beside its metadata. `canary` makes it one of `outbox doctor --send`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    job: Text = "adhoc"
    item: Text | None = None
    labels: Annotated[Mapping[Text, Text], AfterValidator(_fitting_together)] = Field(
        default_factory=dict
    )
    model_input: str | None = Field(default=None, pattern=r"^inputs/[0-9a-f]{64}$")
    canary: Canary | None = None
