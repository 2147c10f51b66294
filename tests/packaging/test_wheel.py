"""The wheel: what lies in it, and that it can be used from a folder with packages of any name."""

import email.message
import email.parser
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from local_baseten.running import LocalBaseten, running_locally
from tests.interpreters import find_python
from tests.linking import linked_environment
from tests.tiny_truss import PROJECT, make_tiny_truss

PACKAGES = {
    "truss_outbox": PROJECT / "model" / "packages" / "truss_outbox",
    "outbox_client": PROJECT / "scripts" / "outbox_client",
    "local_baseten": PROJECT / "scripts" / "local_baseten",
    "baseten_webhooks": PROJECT / "scripts" / "baseten_webhooks",
}
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
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


def linked(directory: Path, wheel: Path, *extras: str) -> Environment:
    """With the wheel and links to what it requires, and not even pip."""
    python = linked_environment(directory / "venv", requirements(wheel, extras))
    _pip("--python", python, "install", "--no-deps", "--no-compile", wheel)
    return environment(directory, python)


def installed(directory: Path, wheel: Path, *extras: str, version: str) -> Environment:
    """The same as a user makes it: pip finds what the wheel requires."""
    base = find_python(version)
    if base is None:
        pytest.skip(f"Python {version} is not on this machine")
    subprocess.run([base, "-m", "venv", "--without-pip", directory / "venv"], check=True)
    python = directory / "venv" / "bin" / "python"
    _pip("--python", python, "install", "--no-compile", f"{wheel}[{','.join(extras)}]")
    return environment(directory, python)


def requirements(wheel: Path, extras: Iterable[str]) -> list[str]:
    """What it requires with these extras."""
    found = []
    for line in metadata(wheel).get_all("Requires-Dist"):
        requirement = Requirement(line)
        marker, requirement.marker = requirement.marker, None
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            found.append(str(requirement))
    return found


def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.parser.Parser().parsestr(archive.read(name).decode())


def environment(directory: Path, own_python: Path) -> Environment:
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
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in archive.namelist())
    fields = metadata(wheel)
    lines = fields.get_all("Requires-Dist")
    core = {line.partition(">")[0] for line in lines if "extra ==" not in line}
    assert core == {"pydantic"}
    extras = set(fields.get_all("Provides-Extra"))
    assert extras == {"s3", "gcs", "pubsub", "client", "local", "webhooks", "ray", "spark"}
    assert not [line for line in lines if "==" in line.partition(";")[0]]
    assert fields["Requires-Python"] == ">=3.11"


def test_the_library_is_imported_with_one_dependency(wheel, tmp_path):
    environment = linked(tmp_path, wheel)
    for name in ("truss_outbox", "truss_outbox.contract", "baseten_webhooks", "outbox_client"):
        environment.run("python", "-c", f"import {name}")
    assert not environment.installed() & {"boto3", "httpx", "prometheus_client", "typer"}


@pytest.mark.slow
def test_a_job_is_sent_and_fetched_by_the_wheel_and_what_it_requires(wheel, local, tmp_path):
    use(linked(tmp_path, wheel, "client", "s3"), local, "wheel-linked")


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_is_sent_and_fetched_by_what_pip_installs(wheel, local, tmp_path, version, capsys):
    started = time.monotonic()
    environment = installed(tmp_path, wheel, "client", "s3", version=version)
    finished = time.monotonic()
    use(environment, local, f"wheel-{version}")
    used = time.monotonic()
    with capsys.disabled():
        sys.stdout.write(
            f"\nThe wheel on Python {version}: {environment.megabytes()} MB, installed in"
            f" {finished - started:.0f} s, used for {used - finished:.0f} s\n"
        )


def use(environment: Environment, local: LocalBaseten, job: str) -> None:
    """Send, wait, fetch, index and report, with nothing but what the environment has."""
    names = "truss_outbox, outbox_client, baseten_webhooks, model, scripts"
    environment.run("python", "-c", f"import {names}; assert scripts.__doc__ == model.__doc__")
    assert "submit" in environment.run("outbox", "--help")
    documents = environment.folder / "documents"
    documents.mkdir()
    for item in ("a.txt", "b.txt"):
        (documents / item).write_text(f"one {item}")
    environment.run("outbox", "submit", documents, "--job", job, **local.environment)
    for command in (["wait"], ["fetch", "--to", "results"], ["index"], ["report"]):
        environment.run("outbox", *command, job, **local.environment)
    assert (environment.folder / "results/a.txt/words.txt").read_text() == "one\na.txt"
    assert "<html" in (environment.folder / f"{job}.html").read_text()
    environment.run("outbox", "new", "words")
    assert (environment.folder / "words/packages/truss_outbox/py.typed").is_file()
    assert not environment.installed() & UNWANTED
