"""The library as it is installed here, and its copy in a Truss."""

import importlib.util
import re
import shutil
import tempfile
from pathlib import Path

from truss_outbox.contract.errors import ConfigurationError

from .adoption import LibraryChange

NAME = "truss_outbox"
_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_CACHES = ("__pycache__", "*.py[cod]", ".DS_Store")


def installed_library() -> Path:
    """The package's folder, in a checkout as in site-packages."""
    spec = importlib.util.find_spec(NAME)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(name=NAME)
    return Path(spec.submodule_search_locations[0])


def library_version(folder: Path) -> str:
    """Read, not imported: the folder may be another version's, or made for another Python."""
    try:
        found = _VERSION.search((folder / "__init__.py").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    return found[1] if found else "an unknown version"


def library_change(folder: Path, *, name: str) -> LibraryChange | None:
    """What makes `folder` a copy of the installed library; None where it is one.

    Raises ConfigurationError where something else is in the place.
    """
    source = installed_library()
    there = folder.is_dir()
    if there and not (folder / "contract").is_dir():
        raise ConfigurationError(name, "is no copy of Outbox's library: move it away")
    files = _files(source)
    if there and _files(folder) == files:
        return None
    if folder.is_symlink():
        raise ConfigurationError(name, "is a link to another version: remove the link")
    return LibraryChange(
        path=folder,
        name=name,
        before=library_version(folder) if there else None,
        after=library_version(source),
        files=len(files),
    )


def write_library(folder: Path) -> None:
    """Put a copy of the installed library in place of what is there. Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{NAME}-") as scratch:
        copy = Path(scratch) / "new"
        ignored = shutil.ignore_patterns(*_CACHES)
        shutil.copytree(installed_library(), copy, ignore=ignored)
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        copy.rename(folder)


def _files(folder: Path) -> dict[str, bytes]:
    """Without what Python and file managers leave there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
        and not any(path.match(cache) or path.parent.match(cache) for cache in _CACHES)
    }
