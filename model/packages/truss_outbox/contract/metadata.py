"""Who a result belongs to, as the request says it."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode text (it holds half a surrogate pair)") from None
    return text


Text = Annotated[str, AfterValidator(_encodable)]


class RequestMetadata(BaseModel):
    """`metadata` of a request. `job` and `item` may be any text; keys escape them.

    `item` is the request's id where it is absent, `labels` are for the key template
    (`{labels.NAME}`) and for whoever reads the manifests.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    job: Text = "adhoc"
    item: Text | None = None
    labels: Mapping[Text, Text] = Field(default_factory=dict)
