"""Virtual environments of what is installed here, made in a second: links instead of copies."""

import contextlib
import functools
import subprocess
import sys
import sysconfig
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def linked_environment(directory: Path, requirements: list[str]) -> Path:
    """Its Python; it has what the requirements lead to in the tests' environment, and no pip."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    (packages,) = directory.glob("lib/python*/site-packages")
    here = Path(sysconfig.get_path("purelib"))
    files = {file for needed in closure(requirements) for file in needed.files or ()}
    for path in {topmost_package(here, file) for file in files if ".." not in file.parts}:
        (packages / path).parent.mkdir(parents=True, exist_ok=True)
        (packages / path).symlink_to(here / path)
    return directory / "bin" / "python"


def topmost_package(here: Path, file: PurePath) -> PurePath:
    """The package that a file is in, not a namespace that others are in too; or the file alone."""
    folders = list(file.parents)[-2::-1]
    return next((folder for folder in folders if is_package(here / folder)), file)


@functools.cache
def is_package(folder: Path) -> bool:
    return (folder / "__init__.py").exists()


def closure(requirements: list[str]) -> list[Distribution]:
    """What is installed here of these requirements and of theirs.

    What is not, is passed over: of the Truss server's requirements only the stand-in's are.
    """
    found: dict[str, Distribution] = {}
    asked: set[tuple[str, str]] = set()
    waiting = [(Requirement(line), "") for line in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        with contextlib.suppress(PackageNotFoundError):
            found[name] = distribution(name)
            new = {(name, wanted) for wanted in ("", *requirement.extras)} - asked
            asked |= new
            needs = [Requirement(line) for line in found[name].requires or ()]
            waiting += [(need, wanted) for _, wanted in new for need in needs]
    return list(found.values())
