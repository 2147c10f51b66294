"""What artifacts may be called: one rule for who writes a result and who reads it."""

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
    taken: dict[str, str] = {}
    for name in names:
        if not _is_safe(name):
            raise ValueError(f"{name[:MAX_ARTIFACT_NAME_BYTES]!r} cannot be an artifact's name")
        place = name.casefold()
        if place in taken:  # macOS and Windows would write both into one file
            raise ValueError(f"artifacts {taken[place]!r} and {name!r}: the name is taken")
        taken[place] = name
    for place, name in taken.items():
        folder = place
        while folder := folder.rpartition("/")[0]:
            if folder in taken:
                raise ValueError(f"artifact {taken[folder]!r} is the folder of {name!r}")


def _is_safe(name: str) -> bool:
    is_path = len(name) <= MAX_ARTIFACT_NAME_BYTES and _NAME.match(name) is not None
    return is_path and name.lower() != _MANIFEST and all(map(_is_fit, name.split("/")))


def _is_fit(part: str) -> bool:
    # Windows also drops a dot at the end.
    return WINDOWS_DEVICE.match(part) is None and not part.endswith(".")
