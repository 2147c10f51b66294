"""What `truss push` would upload, and whether it runs on nothing else."""

import base64
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import httpx
import pytest
import yaml

from local_baseten.trusses.layout import lay_out_truss
from tests.image import ASKING, Dependencies, dependencies, install, serving
from tests.interpreters import find_python
from tests.linking import linked_environment
from tests.tiny_truss import PROJECT


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory) -> Path:
    """The archive as Truss makes it, unpacked as Baseten would."""
    # Takes two seconds, which not every process needs.
    from truss.remote.baseten.core import archive_dir

    target = tmp_path_factory.mktemp("uploaded")
    with archive_dir(PROJECT) as archive, tarfile.open(fileobj=archive) as files:
        files.extractall(target, filter="data")
    return target


def test_the_upload_holds_the_model_its_settings_its_data_and_nothing_else(uploaded):
    top_level = {path.name for path in uploaded.iterdir()}
    assert top_level == {"config.yaml", "model", "data"}
    tracked = subprocess.run(
        ["git", "ls-files", "model", "data", "config.yaml"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    files = {str(path.relative_to(uploaded)) for path in uploaded.rglob("*") if path.is_file()}
    assert set(tracked) <= files
    assert not {name for name in files if "__pycache__" in name}


def test_the_upload_is_small_and_holds_no_secret(uploaded):
    sizes = [path.stat().st_size for path in uploaded.rglob("*") if path.is_file()]
    assert max(sizes) < 300_000
    config = (uploaded / "config.yaml").read_text()
    assert "aws_secret_access_key: null" in config


def installed(directory: Path, uploaded: Path, needed: Dependencies) -> Path:
    """Of the image's Python where this machine has it, else of the tests' own."""
    version = yaml.safe_load((uploaded / "config.yaml").read_text())["python_version"]
    interpreter = find_python(f"{version[2]}.{version[3:]}") or sys.executable
    return install(directory, interpreter, needed)


def linked(directory: Path, _: Path, needed: Dependencies) -> Path:
    """The same in a second."""
    return linked_environment(directory, needed.requirements)


@pytest.mark.parametrize("environment", [linked, installed])
@pytest.mark.timeout(600)
@pytest.mark.slow
def test_the_upload_runs_in_an_environment_of_its_own_requirements(
    environment, uploaded, card, card_lines, tmp_path
):
    app = lay_out_truss(uploaded, tmp_path / "app").directory
    needed = dependencies(uploaded, tmp_path / "context")
    python = environment(tmp_path / "venv", uploaded, needed)
    card.save(tmp_path / "card.png")
    document = base64.b64encode((tmp_path / "card.png").read_bytes()).decode()
    model_input = {"document": {"base64": document}, "metadata": {"job": "J", "item": "I"}}
    # More threads cost more processor time in all, which other tests wait for.
    with serving(python, app, tmp_path, OUTBOX_INFERENCE='{"threads": 1}') as url:
        answer = httpx.post(
            f"{url}/v1/models/model:predict", json=model_input, headers=ASKING, timeout=60
        )
    assert answer.status_code == 200, answer.text
    manifest = json.loads((tmp_path / "bucket" / "manifests" / "job=J" / "I.json").read_text())
    assert [artifact["name"] for artifact in manifest["artifacts"]] == ["document.json", "text.txt"]
    assert manifest["result"] == answer.json()["result"]
    text = (tmp_path / "bucket" / f"artifacts/job=J/I/{manifest['attempt']}/text.txt").read_text()
    assert text.splitlines() == card_lines
