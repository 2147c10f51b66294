"""What artifacts may be called: one rule for who writes a result and who reads it."""

import itertools
import re
from collections.abc import Collection

MAX_ARTIFACT_NAME_BYTES = 100

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*\Z")
WINDOWS_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|COM\d|LPT\d)(\..*)?\Z", re.IGNORECASE)
"""Windows opens a device for `NUL.txt`."""
_MANIFEST = "manifest.json"
"""A fetched result keeps its manifest under this name, beside its artifacts."""


def check_artifact_names(names: Collection[str]) -> None:
    """Whether a result may have artifacts of these names.

    Each is a relative path that is safe on every store and file system. As a set they are apart
    on a disk that ignores case: no two are equal there, and none is the folder of another.

    Raises ValueError, which names the first that breaks the rule.
    """
    for name in names:
        check_artifact_name(name)
    for before, name in itertools.pairwise(sorted(names, key=place_of)):
        check_apart(before, name)


def check_artifact_name(name: str) -> None:
    """Raises ValueError."""
    if not _is_safe(name):
        raise ValueError(f"{name[:MAX_ARTIFACT_NAME_BYTES]!r} cannot be an artifact's name")


def place_of(name: str) -> str:
    """What names are sorted by: so each comes right after one that is equal on a disk that ignores
    case, or after the folder that it is in, should that be a name too."""
    return name.casefold().replace("/", "\0")


def check_apart(before: str, name: str) -> None:
    """Of names that are neighbours when sorted. Raises ValueError."""
    place, place_before = place_of(name), place_of(before)
    # macOS and Windows would write both into one file.
    if place == place_before:
        raise ValueError(f"artifacts {before!r} and {name!r}: the name is taken")
    if place.startswith(f"{place_before}\0"):
        raise ValueError(f"artifact {before!r} is the folder of {name!r}")


def _is_safe(name: str) -> bool:
    is_path = len(name) <= MAX_ARTIFACT_NAME_BYTES and _NAME.match(name) is not None
    return is_path and name.lower() != _MANIFEST and all(map(_is_fit, name.split("/")))


def _is_fit(part: str) -> bool:
    # Windows also drops a dot at the end.
    return WINDOWS_DEVICE.match(part) is None and not part.endswith(".")
