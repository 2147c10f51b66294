"""Which types of input files are looked for in."""

import dataclasses
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, Field, RootModel
from typing_extensions import TypedDict  # pydantic takes no other on 3.11

from truss_outbox import File
from truss_outbox.serving.files.reference import may_hold_files


class Plain(BaseModel):
    text: str = Field(max_length=10)
    scores: list[float] | None = None
    more: dict[str, Any] = {"type": "none"}
    inner: "Plain | None" = None


class Part(TypedDict):
    audio: File


@dataclasses.dataclass
class Pair:
    parts: tuple[Part, Part]


class OwnFile(File):
    note: str = ""


class Tree(BaseModel):
    children: list["Tree"] = []
    leaf: "File | None" = None


class Unfinished(BaseModel):
    later: "Later"  # type: ignore[name-defined]  # noqa: F821


def typed(annotation: Any) -> type[BaseModel]:
    return RootModel[annotation]


@pytest.mark.parametrize(
    ("model", "may"),
    [
        (Plain, False),
        (typed(dict[str, Plain]), False),
        (File, True),
        (Tree, True),
        (typed(list[dict[str, OwnFile]] | None), True),
        (typed(Pair), True),
        (typed(Annotated[dict[str, Any], AfterValidator(lambda value: value)]), True),
        (Unfinished, True),
    ],
)
def test_a_type_may_hold_files_unless_its_schema_says_otherwise(model, may):
    assert may_hold_files(model) is may
