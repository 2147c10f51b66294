"""Progress, as events that the library hands to a function of its caller's."""

from dataclasses import dataclass
from typing import Literal, Protocol

Phase = Literal["read", "plan", "submit", "wait", "fetch", "cancel"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgressEvent:
    """`done` of `total` items have gone through the phase, `item` the latest with its `state`.

    An event without an item opens a phase, moves it on by many at once, or carries a `note` about
    it. A `total` of 0 is not known yet. `failed` and `canceled` of the phase, and `in_flight` at
    the service, are counted from the events where they are None. `code` groups problems of one
    kind.
    """

    phase: Phase
    done: int
    total: int
    item: str | None = None
    state: str = ""
    note: str = ""
    code: str = ""
    failed: int | None = None
    canceled: int | None = None
    in_flight: int | None = None


class Progress(Protocol):
    def __call__(self, event: ProgressEvent) -> None:
        """Must not raise. What the commands show may be called from several threads at once."""


def silent(event: ProgressEvent) -> None:
    """The default: events are dropped."""
