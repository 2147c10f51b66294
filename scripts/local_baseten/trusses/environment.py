"""The Python that a Truss runs in: of its version where there is one, with what it requires.

What the image would install is in an environment of its own: the Truss's requirements and those
of its server, and nothing else of this machine. It is kept, and made anew when they change.
"""

import asyncio
import contextlib
import functools
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..errors import RequirementsError
from .layout import TrussLayout
from .model_log import shown

logger = logging.getLogger(__name__)

_OWN_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_KEPT_SECONDS = 14 * 24 * 3600
_WHOLE = "whole"
"""A file in an environment whose installation came to its end."""
_LAST_WORDS = 80


@functools.cache
def find_python(version: str) -> Path | None:
    """An interpreter of `3.13` or its like, on the PATH or of pyenv; None where there is none."""
    if version == _OWN_VERSION:
        return Path(sys.executable)
    on_path = shutil.which(f"python{version}")
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [Path(on_path)] if on_path else []
    candidates += sorted((root / "versions").glob(f"{version}.*/bin/python"), key=_release)[::-1]
    return next((python for python in candidates if _is(python, version)), None)


def _release(python: Path) -> list[int]:
    """Of pyenv's `3.13.10/bin/python`: the newest counts."""
    return [int(part) for part in re.findall(r"\d+", python.parts[-3])]


def _is(python: Path, version: str) -> bool:
    """Whether it starts: pyenv's shims are on the PATH for versions that are not chosen too."""
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    return done.stdout.strip() == version


async def with_environment(layout: TrussLayout, directory: Path) -> TrussLayout:
    """The layout with a Python that has what it requires, which is made below `directory`.

    Raises RequirementsError. What is cancelled meanwhile is begun anew at the next time.
    """
    interpreter = find_python(layout.python_version) or Path(sys.executable)
    place = directory / _digest(layout, interpreter)
    python = place / "bin" / "python"
    if not (place / _WHOLE).exists() or not python.exists():  # its interpreter may have gone
        try:
            await _make(layout, interpreter, place)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
    (place / _WHOLE).touch()
    _discard_unused(directory)
    return replace(layout, python=python)


def about_python(layout: TrussLayout, *, install: bool) -> str | None:
    """Where it is not the one that its author asks for."""
    wanted = layout.python_version
    if wanted == _OWN_VERSION or (install and find_python(wanted)):
        return None
    why = f"there is no Python {wanted} here" if install else "nothing is to be installed"
    return f"python_version: {why}; the model runs on {_OWN_VERSION}"


def _digest(layout: TrussLayout, interpreter: Path) -> str:
    parts = json.dumps([str(interpreter.resolve()), dict(layout.requirements)], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


async def _make(layout: TrussLayout, interpreter: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    files = place / "requirements"
    files.mkdir(parents=True)
    for name, text in layout.requirements.items():
        # Truss names an index; which one it is to be here, this machine's settings say.
        (files / name).write_text(re.sub(r"^-i .*\n", "", text, flags=re.MULTILINE))
    logger.info("installing what %s requires, once ...", shown(layout.requirements_file))
    started = time.monotonic()
    for command in _commands(layout, interpreter, place):
        code, said = await _run(command, files)
        if code != 0:
            words = " ".join(said.split()[-_LAST_WORDS:])
            raise RequirementsError(layout.requirements_file, words)
    logger.info("installed in %.0f s, on Python %s", time.monotonic() - started, _version(place))


def _version(place: Path) -> str:
    """As the environment says it of itself: `3.13.0`."""
    text = (place / "pyvenv.cfg").read_text()
    found = re.search(r"^version(?:_info)? = (\S+)", text, re.MULTILINE)
    return found[1] if found else ""


def _commands(layout: TrussLayout, interpreter: Path, place: Path) -> Iterator[list[str | Path]]:
    """By uv, as in the image; where it is not here, by the interpreter's own pip."""
    python = place / "bin" / "python"
    uv = _find_uv()
    install: list[str | Path]
    if uv is not None:
        yield [uv, "venv", "--quiet", "--allow-existing", "--python", interpreter, place]
        strategy = ("--index-strategy", "unsafe-best-match")
        install = [uv, "pip", "install", "--quiet", "--python", python, *strategy]
    elif "uv.lock" in layout.requirements:
        raise RequirementsError(layout.requirements_file, "it is uv's: install uv beside this")
    else:
        yield [interpreter, "-m", "venv", place]
        install = [python, "-m", "pip", "--quiet", "install"]
    if uv is not None and "uv.lock" in layout.requirements:
        exported = ("--format", "requirements-txt", "--output-file", "exported.txt")
        yield [uv, "export", "--quiet", "--frozen", *exported]
        yield [*install, "-r", "exported.txt"]
    elif "pyproject.toml" in layout.requirements:
        project = tomllib.loads(layout.requirements["pyproject.toml"]).get("project", {})
        if dependencies := project.get("dependencies"):
            yield [*install, *dependencies]
    if "user_requirements.txt" in layout.requirements:
        yield [*install, "-r", "user_requirements.txt", "-c", "constraints.txt"]
    yield [*install, "-r", "requirements.txt", "-c", "constraints.txt"]


def _find_uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


async def _run(command: list[str | Path], directory: Path) -> tuple[int, str]:
    """Its exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for us, who then end it
    )
    try:
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode(errors="replace")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _discard_unused(directory: Path) -> None:
    """Those that no start has used for two weeks."""
    for place in directory.iterdir():
        whole = place / _WHOLE
        if whole.exists() and time.time() - whole.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(place, ignore_errors=True)
