"""A Truss runs in a Python of its own: what is asked of the installer, and what it makes."""

import asyncio
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import yaml

from local_baseten.errors import RequirementsError
from local_baseten.running import running_locally
from local_baseten.trusses import environment
from local_baseten.trusses.environment import find_python, with_environment
from local_baseten.trusses.layout import TrussLayout, lay_out_truss
from tests.interpreters import OWN
from tests.local_baseten.conftest import TRUSSES

UV = """#!{python}
import os, sys
from pathlib import Path
place = Path({place!r})
with place.open("a") as file:
    file.write(" ".join(sys.argv[1:]) + chr(10))
if sys.argv[1] == "venv":
    Path(sys.argv[-1], "pyvenv.cfg").write_text("version_info = 3.1.4")
    if {makes}:
        Path(sys.argv[-1], "bin").mkdir()
        Path(sys.argv[-1], "bin", "python").touch()
if "{fails}" in sys.argv:
    sys.exit("numpy 1 and numpy 2" + chr(10) + "do not go together")
"""
"""Writes down what it is asked for."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> TrussLayout:
    return lay_out_truss(TRUSSES / "echo", tmp_path_factory.mktemp("plain") / "truss")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch):
    """Puts an installer in uv's place, and returns what it was asked for."""

    def asked(*, fails: str = "never", makes: bool = True) -> Path:
        place, program = tmp_path / "asked", tmp_path / "uv"
        words = {"place": str(place), "fails": fails, "makes": makes}
        program.write_text(UV.format(python=sys.executable, **words))
        program.chmod(0o755)
        monkeypatch.setattr(environment, "_find_uv", lambda: str(program))
        return place

    return asked


def make(layout: TrussLayout, directory: Path) -> TrussLayout:
    return asyncio.run(with_environment(layout, directory))


def test_what_the_image_installs_is_installed_once_and_again_when_it_changes(
    plain, asked, tmp_path
):
    calls, directory = asked(), tmp_path / "environments"
    first = make(plain, directory)
    assert [line.split()[0] for line in calls.read_text().splitlines()] == ["venv", "pip"]
    assert calls.read_text().endswith("-r requirements.txt -c constraints.txt\n")
    texts = {file.name: file.read_text() for file in directory.glob("*/requirements/*")}
    assert "uvicorn" in texts["requirements.txt"]
    assert "-i http" not in texts["requirements.txt"]

    assert make(plain, directory).python == first.python
    assert len(calls.read_text().splitlines()) == 2
    other = make(replace(plain, requirements={"requirements.txt": "numpy"}), directory)
    assert other.python != first.python
    assert len(calls.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("requirements", "commands"),
    [
        (
            {"user_requirements.txt": "numpy"},
            ["-r user_requirements.txt -c constraints.txt", "-r requirements.txt -c"],
        ),
        (
            {"pyproject.toml": '[project]\nname = "x"\ndependencies = ["numpy>=2", "pillow"]'},
            ["numpy>=2 pillow", "-r requirements.txt"],
        ),
        ({"pyproject.toml": '[project]\nname = "x"'}, ["-r requirements.txt"]),
        (
            {"pyproject.toml": "", "uv.lock": ""},
            ["export --quiet --frozen", "-r exported.txt", "-r requirements.txt"],
        ),
    ],
)
def test_each_form_of_requirements_is_installed_as_in_the_image(
    plain, asked, tmp_path, requirements, commands
):
    calls = asked()
    make(replace(plain, requirements=requirements | {"requirements.txt": ""}), tmp_path / "e")
    _, *lines = calls.read_text().splitlines()
    assert len(lines) == len(commands)
    assert all(part in line for part, line in zip(commands, lines, strict=True))


def test_requirements_that_do_not_go_together_are_said_in_the_installers_words(
    plain, asked, tmp_path
):
    asked(fails="pip")
    with pytest.raises(RequirementsError, match=r"--no-install: numpy 1 and numpy 2 do not go"):
        make(plain, tmp_path / "environments")
    assert list((tmp_path / "environments").iterdir()) == []


def test_a_lock_of_uv_needs_uv(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "_find_uv", lambda: None)
    layout = replace(plain, requirements={"uv.lock": "", "pyproject.toml": ""})
    with pytest.raises(RequirementsError, match="install uv beside this"):
        make(layout, tmp_path / "environments")


def test_an_environment_that_nobody_used_for_two_weeks_goes(plain, asked, tmp_path):
    asked()
    old = make(plain, tmp_path / "environments").python.parent.parent
    long_ago = time.time() - 15 * 24 * 3600
    os.utime(old / "whole", (long_ago, long_ago))
    new = make(replace(plain, requirements={"requirements.txt": ""}), tmp_path / "environments")
    assert list((tmp_path / "environments").iterdir()) == [new.python.parent.parent]


def test_an_environment_whose_interpreter_has_gone_is_made_anew(plain, asked, tmp_path):
    calls = asked(makes=False)
    for _ in range(2):
        made = make(plain, tmp_path / "environments")
        assert not made.python.exists()  # no real uv was asked
    assert len(calls.read_text().splitlines()) == 4


def test_an_interpreter_is_found_by_its_version():
    assert find_python(OWN) == Path(sys.executable)
    assert find_python("2.3") is None


CONFLICTING = """
import platform
import httpx
import numpy
import pydantic


class Model:
    def predict(self, model_input):
        return [platform.python_version(), numpy.__version__, httpx.__version__, pydantic.VERSION]
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("version", "requirements"),
    [
        (OWN, {"numpy": "1.26.4", "httpx": "0.23.3", "pydantic": "1.10.22"}),
        ("3.12", {"numpy": "2.1.3", "httpx": "0.27.2", "pydantic": "2.9.2"}),
        ("3.13", {"numpy": "2.3.5", "httpx": "0.28.1", "pydantic": "2.10.6"}),
    ],
)
def test_a_truss_runs_on_its_python_with_what_it_requires_whatever_is_here(
    tmp_path, version, requirements
):
    if find_python(version) is None:
        pytest.skip(f"Python {version} is not on this machine")
    truss = shutil.copytree(TRUSSES / "echo", tmp_path / "truss")
    (truss / "model" / "model.py").write_text(CONFLICTING)
    config = {
        "python_version": f"py{version.replace('.', '')}",
        "requirements": [f"{name}=={pinned}" for name, pinned in requirements.items()],
    }
    (truss / "config.yaml").write_text(yaml.safe_dump(config))
    with running_locally(truss, state_directory=tmp_path / "state", install=True) as local:
        headers = {"authorization": f"Api-Key {local.api_key}"}
        url = f"{local.base_url}/production/predict"
        python, *found = httpx.post(url, headers=headers, json={}, timeout=60).json()

    assert python.startswith(f"{version}.")
    assert found == list(requirements.values())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_uv_an_environment_is_made_by_pip(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "_find_uv", lambda: None)
    layout = replace(plain, requirements={"requirements.txt": "pyyaml", "constraints.txt": ""})
    made = make(layout, tmp_path / "environments")
    process = asyncio.run(environment._run([made.python, "-c", "import yaml"], tmp_path))
    assert process == (0, "")
