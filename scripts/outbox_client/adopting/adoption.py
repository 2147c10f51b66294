"""What adopting a Truss comes to: changes, lines for its author to add, and what comes next."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class FileChange:
    """A text file of the Truss that is to be written."""

    path: Path
    name: str
    """Below the Truss."""
    before: str
    after: str
    added: tuple[str, ...]
    """What, in words: settings, secrets, requirements."""

    def diff(self) -> Iterator[str]:
        """Unified, a line each, without line ends."""
        before, after = self.before.splitlines(), self.after.splitlines()
        return difflib.unified_diff(
            before, after, f"{self.name} (now)", f"{self.name} (then)", lineterm=""
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LibraryChange:
    """The library's folder in the Truss, to be written anew."""

    path: Path
    name: str
    """Below the Truss."""
    before: str | None
    """The version that is there; None where the folder is not."""
    after: str
    files: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ByHand:
    """What only the Truss's author can change: where, why, and the lines to paste."""

    where: str
    problem: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class MissingLine:
    """A line for model.py, and the number that it will have there."""

    number: int
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Adoption:
    """All of it, for one Truss. Nothing is written yet."""

    directory: Path
    library: LibraryChange | None
    """None where the library is there already, as it is here."""
    files: tuple[FileChange, ...]
    model_file: str
    model_lines: tuple[MissingLine, ...]
    """At most two."""
    notes: tuple[str, ...]
    by_hand: tuple[ByHand, ...]
    first_deployment: tuple[str, ...]
    """What else it needs, in the order to do it."""

    @property
    def changes_something(self) -> bool:
        return bool(self.library or self.files)
