"""What `truss push` would upload, and whether it runs on nothing else."""

import base64
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from local_baseten.trusses.layout import lay_out_truss
from tests.interpreters import find_python
from tests.linking import linked_environment
from tests.tiny_truss import PROJECT
from tests.waiting import until

LAUNCHER = PROJECT / "scripts" / "local_baseten" / "trusses" / "launcher.py"


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


def image_requirements(uploaded: Path, app: Path) -> list[str]:
    """What the image installs: the server's requirements, and the model's over them."""
    config = yaml.safe_load((uploaded / "config.yaml").read_text())
    own = _requirements(uploaded / config["requirements_file"])
    names = set(map(_name, own))
    server = _requirements(app / "requirements.txt")
    return own + [line for line in server if _name(line) not in names]


def _requirements(file: Path) -> list[str]:
    lines = file.read_text().splitlines()
    return [line.split(" #")[0].strip() for line in lines if line[:1].isalnum()]


def image_python(uploaded: Path) -> str | Path:
    """That of the image where this machine has it, else the tests' own."""
    version = yaml.safe_load((uploaded / "config.yaml").read_text())["python_version"]
    return find_python(f"{version[2]}.{version[3:]}") or sys.executable


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


@contextlib.contextmanager
def server(
    python: Path, app: Path, root: Path, directory: Path
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The real server in an environment that knows neither the project nor its tools."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [python, "-I", LAUNCHER, str(listener.fileno())],
            cwd=app,
            env={
                "OUTBOX_ROOT": f"file://{root}",
                # More threads cost more processor time in all, which other tests wait for.
                "OUTBOX_INFERENCE": '{"threads": 1}',
                "HOME": str(directory),
                "PATH": os.defpath,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=(directory / "server.log").open("wb"),
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield url, process
    finally:
        process.stdin.close()
        process.wait(20)


def is_ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the server ended before it was ready"
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/v1/models/model", timeout=5).is_success
    return False


def installed(directory: Path, uploaded: Path, requirements: list[str]) -> Path:
    """The Python of a new environment, as the image's is made."""
    subprocess.run([image_python(uploaded), "-m", "venv", directory], check=True)
    python = directory / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, *requirements], check=True)
    return python


def linked(directory: Path, uploaded: Path, requirements: list[str]) -> Path:
    """The same in a second."""
    return linked_environment(directory, requirements)


@pytest.mark.parametrize("environment", [linked, pytest.param(installed, marks=pytest.mark.slow)])
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the log's handle, until the child ends
def test_the_upload_runs_in_an_environment_of_its_own_requirements(
    environment, uploaded, card, card_lines, tmp_path
):
    app = lay_out_truss(uploaded, tmp_path / "app").directory
    python = environment(tmp_path / "venv", uploaded, image_requirements(uploaded, app))
    card.save(tmp_path / "card.png")
    document = base64.b64encode((tmp_path / "card.png").read_bytes()).decode()
    model_input = {"document": {"base64": document}, "metadata": {"job": "J", "item": "I"}}
    with server(python, app, tmp_path / "bucket", tmp_path) as (url, process):
        until(lambda: is_ready(url, process), "the model", seconds=60, every=0.2)
        answer = httpx.post(f"{url}/v1/models/model:predict", json=model_input, timeout=60)
    assert answer.status_code == 200, answer.text
    manifest = json.loads((tmp_path / "bucket" / "manifests" / "job=J" / "I.json").read_text())
    assert [artifact["name"] for artifact in manifest["artifacts"]] == ["document.json", "text.txt"]
    assert manifest["result"] == answer.json()["result"]
    text = (tmp_path / "bucket" / f"artifacts/job=J/I/{manifest['attempt']}/text.txt").read_text()
    assert text.splitlines() == card_lines
