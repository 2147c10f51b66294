"""What the companion tells whoever watches."""

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """`done` of `total` items have gone through the phase, `item` the latest with its `state`.

    An event without an item opens a phase, or carries a `note` about it.
    """

    phase: Literal["submit", "wait", "fetch"]
    done: int
    total: int
    item: str | None = None
    state: str = ""
    note: str = ""


class Progress(Protocol):
    def __call__(self, event: Event) -> None:
        """Called from one thread at a time; must not raise."""


def silent(event: Event) -> None:
    """Progress for nobody."""
