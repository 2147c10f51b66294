"""What to fetch of a job, and where to put it."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from scripts.client.layout import FOLDERS, Layout


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Globs as a shell has them, but `*` goes over slashes; none means all.

    `include` and `exclude` are of items, `only` is of the names of artifacts and of the manifest.
    """

    only: Sequence[str] = ()
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    layout: Layout = FOLDERS

    def takes_item(self, item: str) -> bool:
        is_included = not self.include or _matches(item, self.include)
        return is_included and not _matches(item, self.exclude)

    def takes_file(self, name: str) -> bool:
        return not self.only or _matches(name, self.only)


EVERYTHING = Selection()


def _matches(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
