"""The file that `requirements_file` names: requirements.txt, pyproject.toml or uv.lock."""

import tomllib
from collections.abc import Callable, Iterator, Sequence
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
) -> Iterator[FileChange | ByHand]:
    """What the file lacks, as a change or for its author. Raises ConfigurationError.

    Nothing where config.yaml has the requirements itself.
    """
    if not config.requirements_file:
        return
    name, path = config.requirements_file, config.directory / config.requirements_file
    edit = {"pyproject.toml": _with_dependencies, "uv.lock": None}.get(path.name, _with_lines)
    if edit is _with_lines:
        there = read_text(path, _SETTING).splitlines()
    else:
        there = _dependencies(path.with_name("pyproject.toml"))
    yield from unsuitable_requirements(there, needed, where=name)
    missing = missing_requirements(there, needed)
    if missing and edit is None:
        command = f"uv add {' '.join(repr(one) for one in missing)}"
        yield ByHand(where=name, problem="is written by uv: run this beside it", lines=(command,))
    elif missing and edit:
        yield _edited(path, name, missing, edit)


def _edited(
    path: Path, name: str, missing: list[str], edit: Callable[[str, list[str]], str | None]
) -> FileChange | ByHand:
    before = read_text(path, _SETTING)
    after = edit(before, missing)
    if after is None:
        problem = "add these, and renew what is locked or generated"
        return ByHand(where=name, problem=problem, lines=tuple(missing))
    return FileChange(path=path, name=name, before=before, after=after, added=tuple(missing))


def _with_lines(text: str, missing: list[str]) -> str | None:
    """None where every line needs a hash."""
    if "--hash" in text:
        return None
    ends = "\r\n" if "\r\n" in text else "\n"
    last = "" if not text or text.endswith("\n") else ends
    return text + last + "".join(line + ends for line in missing)


def _dependencies(path: Path) -> list[str]:
    try:
        project = tomllib.loads(read_text(path, _SETTING)).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(_SETTING, f"{path.name}: {error}") from error
    return list(map(str, project.get("dependencies", ())))


def _with_dependencies(text: str, missing: list[str]) -> str | None:
    """None where something else provides them, or the array cannot be added to."""
    import tomlkit  # noqa: PLC0415  # few Trusses have a pyproject.toml

    document = tomlkit.parse(text)
    project: Any = document.get("project")
    if project is None or "dependencies" in project.get("dynamic", ()):
        return None
    dependencies = project.setdefault("dependencies", tomlkit.array())
    expected = [*map(str, dependencies), *missing]
    dependencies.extend(missing)
    after = tomlkit.dumps(document)
    try:
        # A comment after the last item, without a comma, makes tomlkit lose one.
        return after if tomllib.loads(after)["project"]["dependencies"] == expected else None
    except tomllib.TOMLDecodeError:
        return None
