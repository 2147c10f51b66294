"""The file that `requirements_file` names: requirements.txt, pyproject.toml or uv.lock."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from truss_outbox.contract.errors import ConfigurationError

from .adoption import ByHand, FileChange
from .config import TrussConfig
from .requirements import missing_requirements, unsuitable_requirements
from .text_file import read_text

_SETTING = "requirements_file"


def plan_requirements_file(
    config: TrussConfig, needed: Sequence[Requirement]
) -> tuple[FileChange | None, list[ByHand]]:
    """What the file lacks, as a change or for its author. Raises ConfigurationError.

    Nothing where config.yaml has the requirements itself.
    """
    name = config.requirements_file
    if not name:
        return None, []
    path = config.directory / name
    match path.name:
        case "uv.lock":
            return None, _for_a_lock(path.parent / "pyproject.toml", name, needed)
        case "pyproject.toml":
            return _plan(path, name, needed, _read_pyproject(path), _with_dependencies)
        case _:
            return _plan(path, name, needed, read_text(path, _SETTING).splitlines(), _with_lines)


def _plan(
    path: Path, name: str, needed: Sequence[Requirement], there: list[str] | None, edit: Any
) -> tuple[FileChange | None, list[ByHand]]:
    lines = there or []
    missing = missing_requirements(lines, needed)
    by_hand = list(unsuitable_requirements(lines, needed, where=name))
    if not missing:
        return None, by_hand
    before = read_text(path, _SETTING)
    after = None if there is None else edit(before, missing)
    if after is None:
        problem = "add these, and renew what is locked or generated"
        return None, [*by_hand, ByHand(where=name, problem=problem, lines=tuple(missing))]
    change = FileChange(path=path, name=name, before=before, after=after, added=tuple(missing))
    return change, by_hand


def _with_lines(text: str, missing: Sequence[str]) -> str | None:
    """None where every line needs a hash."""
    if "--hash" in text:
        return None
    ends = "\r\n" if "\r\n" in text else "\n"
    last = "" if not text or text.endswith("\n") else ends
    return text + last + "".join(line + ends for line in missing)


def _read_pyproject(path: Path) -> list[str] | None:
    """The dependencies; None where something else provides them."""
    try:
        project = tomllib.loads(read_text(path, _SETTING)).get("project")
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(_SETTING, f"{path.name}: {error}") from error
    if not isinstance(project, dict) or "dependencies" in project.get("dynamic", ()):
        return None
    return list(map(str, project.get("dependencies", ())))


def _with_dependencies(text: str, missing: Sequence[str]) -> str | None:
    """None where the array is written in a way that cannot be added to."""
    import tomlkit  # noqa: PLC0415  # few Trusses have a pyproject.toml

    document = tomlkit.parse(text)
    project: Any = document["project"]
    dependencies = project.setdefault("dependencies", tomlkit.array())
    expected = [*map(str, dependencies), *missing]
    dependencies.extend(missing)
    after = tomlkit.dumps(document)
    try:
        # A comment after the last item, without a comma, makes tomlkit lose one.
        return after if tomllib.loads(after)["project"]["dependencies"] == expected else None
    except tomllib.TOMLDecodeError:
        return None


def _for_a_lock(pyproject: Path, name: str, needed: Sequence[Requirement]) -> list[ByHand]:
    missing = missing_requirements(_read_pyproject(pyproject) or (), needed)
    if not missing:
        return []
    command = f"uv add {' '.join(repr(one) for one in missing)}"
    return [ByHand(where=name, problem="is written by uv: run this beside it", lines=(command,))]
