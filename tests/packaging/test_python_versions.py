"""A Truss that adopted the library, on each Python that its config.yaml can ask for."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from local_baseten.trusses.layout import lay_out_truss
from outbox_client.commands.app import app as outbox
from tests.image import ASKING, Dependencies, dependencies, install, read_requirements, serving, uv
from tests.interpreters import find_python
from truss_outbox.contract.manifest import Manifest

MODEL = """
import platform

import numpy
from truss_outbox import stored


@stored
class Model:
    def predict(self, model_input):
        mean = numpy.mean(model_input["values"]).item()
        return {"mean": mean, "numpy": numpy.__version__, "python": platform.python_version()}
"""
INSTALLED = """
import importlib.metadata, json
print(json.dumps([(one.name, one.version) for one in importlib.metadata.distributions()]))
"""
OPENING = """
import sys
sys.path.append("packages")
from truss_outbox.stores import S3Options, open_store
options = S3Options(region="eu-west-1", access_key_id="none", secret_access_key="none")
open_store("s3://bucket/outbox", s3=options)
"""
"""Makes the SDK's client, which asks nobody yet."""


def adopted(directory: Path, version: str) -> Path:
    """A Truss with numpy 2 among its requirements, and then the library's."""
    (directory / "model").mkdir(parents=True)
    (directory / "model" / "model.py").write_text(MODEL)
    (directory / "requirements.txt").write_text("numpy>=2\n")
    (directory / "config.yaml").write_text(
        "model_name: plain\n"
        f"python_version: py{version.replace('.', '')}\n"
        "requirements_file: ./requirements.txt\n"
    )
    command = ["add", str(directory), "--root", "s3://your-bucket/outbox"]
    done = CliRunner().invoke(outbox, command)
    assert done.exit_code == 0, done.output
    return directory


def run(python: Path, program: str, folder: Path) -> str:
    return subprocess.check_output([python, "-I", "-c", program], cwd=folder, text=True)


def versions_beyond(needed: Dependencies, installed: dict[str, str]) -> list[str]:
    """Truss's own bounds that are not kept."""
    bounds = [Requirement(line) for line in read_requirements(needed.constraints)]
    assert "numpy" in {bound.name for bound in bounds}
    return [
        f"{installed[bound.name]}, not {bound}"
        for bound in bounds
        if bound.name in installed and installed[bound.name] not in bound.specifier
    ]


def ask_plainly_and_to_be_stored(url: str, version: str) -> dict[str, Any]:
    """The answers are alike but for the pointer; this is the first."""
    url = f"{url}/v1/models/model:predict"
    plain = httpx.post(url, json={"values": [1, 2, 4.5]}, headers=ASKING, timeout=60).json()
    assert plain["mean"] == 2.5
    assert plain["python"].startswith(f"{version}.")
    stored = {"values": [1, 2, 4.5], "metadata": {"job": "J", "item": "I"}}
    answer = httpx.post(url, json=stored, headers=ASKING, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"] == plain
    return plain


def megabytes(environment: Path) -> int:
    files = [file for file in environment.rglob("*") if file.is_file()]
    return sum(file.lstat().st_size for file in files) // 1_000_000


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_a_truss_with_numpy_2_stores_and_answers_plainly(version, tmp_path, capsys):
    interpreter = find_python(version)
    if interpreter is None:
        pytest.skip(f"Python {version} is not on this machine")
    truss = adopted(tmp_path / "truss", version)
    app = lay_out_truss(truss, tmp_path / "app").directory
    needed = dependencies(truss, tmp_path / "context")
    started = time.monotonic()
    python = install(tmp_path / "venv", interpreter, needed)
    seconds = time.monotonic() - started
    uv("pip", "check", "--python", python)
    found = json.loads(run(python, INSTALLED, app))
    installed = {canonicalize_name(name): version for name, version in found}
    assert installed["numpy"].startswith("2.")
    assert versions_beyond(needed, installed) == []
    run(python, OPENING, app)

    with serving(python, app, tmp_path) as url:
        plain = ask_plainly_and_to_be_stored(url, version)
    path = "manifests/job=J/I.json"
    assert Manifest.at(path, (tmp_path / "bucket" / path).read_bytes()).result == plain

    with capsys.disabled():
        sys.stdout.write(
            f"\nA Truss's image on Python {version}: {megabytes(tmp_path / 'venv')} MB of packages,"
            f" installed in {seconds:.0f} s, with numpy {installed['numpy']}\n"
        )
