"""Problems by kind: a few of each are told, the others counted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

SHOWN = 5
"""How many of a kind are told one by one."""

T = TypeVar("T")


@dataclass(kw_only=True, slots=True)
class Kind(Generic[T]):
    """How many there were of it, and the first few of them."""

    count: int = 0
    shown: list[T] = field(default_factory=list)

    @property
    def more(self) -> int:
        return self.count - len(self.shown)


class Problems(Generic[T]):
    """Takes any number of problems and keeps a few of each kind."""

    def __init__(self, *, shown: int = SHOWN) -> None:
        self.kinds: dict[str, Kind[T]] = {}
        self._shown = shown

    def add(self, kind: str, problem: T) -> bool:
        """Whether this is one of the few that are told."""
        group = self.kinds.setdefault(kind, Kind())
        group.count += 1
        if len(group.shown) < self._shown:
            group.shown.append(problem)
            return True
        return False

    @property
    def counts(self) -> dict[str, int]:
        return {name: kind.count for name, kind in self.kinds.items()}

    @property
    def count(self) -> int:
        return sum(kind.count for kind in self.kinds.values())


def kind_of(state: str, code: str | None) -> str:
    return f"{state} ({code})" if code else state


def grouped_lines(problems: Iterable[tuple[str, str]]) -> Iterator[str]:
    """From pairs of kind and line: each kind's first lines together, and how many more it has."""
    groups = Problems[str]()
    for kind, line in problems:
        groups.add(kind, line)
    for name, group in groups.kinds.items():
        yield from group.shown
        if group.more:
            yield f"and {group.more:,} more {name}; --json lists all"
