"""The wheel: what lies in it, and that it can be used from a folder with packages of any name."""

import email.parser
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_baseten.running import LocalBaseten, running_locally
from tests.interpreters import OWN, find_python
from tests.tiny_truss import PROJECT, make_tiny_truss

PACKAGES = {
    "truss_outbox": PROJECT / "model" / "packages" / "truss_outbox",
    "outbox_client": PROJECT / "scripts" / "outbox_client",
    "local_baseten": PROJECT / "scripts" / "local_baseten",
    "baseten_webhooks": PROJECT / "scripts" / "baseten_webhooks",
}
OTHERS = [version for version in ("3.11", "3.12", "3.13", "3.14") if version != OWN]
UNWANTED = {"cv2", "onnxruntime", "opencv_python_headless", "rapidocr", "truss"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """A virtual environment, and a folder to work in that has packages `model` and `scripts`."""

    python: Path
    folder: Path

    def run(self, *command: str | Path, **variables: str) -> str:
        """What the command printed; it may not fail."""
        home = str(self.folder)
        done = subprocess.run(
            [self.python.parent / command[0], *command[1:]],
            cwd=self.folder,
            env={"PATH": os.defpath, "HOME": home, "OUTBOX_HOME": f"{home}/journal", **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def installed(self) -> set[str]:
        """The names that lie in site-packages."""
        return {path.name for path in self._site_packages().iterdir()}

    def megabytes(self) -> int:
        files = self._site_packages().rglob("*")
        return sum(file.lstat().st_size for file in files if file.is_file()) // 1_000_000

    def _site_packages(self) -> Path:
        return next((self.python.parent.parent / "lib").glob("python*/site-packages"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", target, PROJECT)
    return next(target.iterdir())


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Iterator[LocalBaseten]:
    directory = tmp_path_factory.mktemp("stand-in")
    with running_locally(
        make_tiny_truss(directory / "truss"),
        state_directory=directory / "state",
        bucket_directory=directory / "bucket",
        concurrency_target=4,
    ) as running:
        yield running


def _pip(*arguments: str | Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
        check=True,
        capture_output=True,
    )


def make_environment(directory: Path, version: str, requirement: str) -> Environment:
    """With what `requirement` brings, and not even pip."""
    python = find_python(version)
    if python is None:
        pytest.skip(f"Python {version} is not on this machine")
    subprocess.run([python, "-m", "venv", "--without-pip", directory / "venv"], check=True)
    own_python = directory / "venv" / "bin" / "python"
    _pip("--python", own_python, "install", "--no-compile", requirement)
    folder = directory / "work"
    for name in ("model", "scripts"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text('"""The user\'s own."""\n')
    return Environment(python=own_python, folder=folder)


def test_it_holds_the_four_packages_whole_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    sources = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == sources
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    data = {Path(name).suffix for name in names} - {".py"}
    assert {".sql", ".css", ".html", ".js", ".json"} <= data


def test_its_metadata_name_no_dependency_of_the_ocr(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.parser.Parser().parsestr(archive.read(name).decode())
        assert name.replace("METADATA", "licenses/LICENSE") in archive.namelist()
    requirements = metadata.get_all("Requires-Dist")
    core = {line.partition(">")[0] for line in requirements if "extra ==" not in line}
    assert core == {"pydantic", "stamina"}
    extras = set(metadata.get_all("Provides-Extra"))
    assert extras == {"s3", "gcs", "client", "local", "webhooks"}
    assert not [line for line in requirements if "==" in line.partition(";")[0]]
    assert metadata["Requires-Python"] == ">=3.11"


def test_the_library_is_imported_with_two_dependencies(wheel, tmp_path):
    environment = make_environment(tmp_path, OWN, str(wheel))
    for name in ("truss_outbox", "truss_outbox.contract", "baseten_webhooks", "outbox_client"):
        environment.run("python", "-c", f"import {name}")
    assert not environment.installed() & {"boto3", "httpx", "prometheus_client", "typer"}


@pytest.mark.parametrize(
    "version", [OWN, *(pytest.param(version, marks=pytest.mark.slow) for version in OTHERS)]
)
def test_a_job_is_sent_and_fetched_by_what_is_installed(wheel, local, tmp_path, version, capsys):
    started = time.monotonic()
    environment = make_environment(tmp_path, version, f"{wheel}[client,s3]")
    installed = time.monotonic()
    names = "truss_outbox, outbox_client, baseten_webhooks, model, scripts"
    environment.run("python", "-c", f"import {names}; assert scripts.__doc__ == model.__doc__")
    assert "submit" in environment.run("outbox", "--help")
    documents = environment.folder / "documents"
    documents.mkdir()
    for item in ("a.txt", "b.txt"):
        (documents / item).write_text(f"one {item}")
    job = f"wheel-{version}"
    environment.run("outbox", "submit", documents, "--job", job, **local.environment)
    for command in (["wait"], ["fetch", "--to", "results"], ["index"], ["report"]):
        environment.run("outbox", *command, job, **local.environment)
    assert (environment.folder / "results/a.txt/words.txt").read_text() == "one\na.txt"
    assert "<html" in (environment.folder / f"{job}.html").read_text()
    environment.run("outbox", "new", "words")
    assert (environment.folder / "words/packages/truss_outbox/py.typed").is_file()
    assert not environment.installed() & UNWANTED
    used = time.monotonic()
    with capsys.disabled():
        sys.stdout.write(
            f"\nThe wheel on Python {version}: {environment.megabytes()} MB, installed in"
            f" {installed - started:.0f} s, used for {used - installed:.0f} s\n"
        )
