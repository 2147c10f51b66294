"""What the model's image is made of: pinned with hashes, listed, of permissive licences."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

from tests.image import Dependencies, dependencies, install, read_requirements
from tests.interpreters import find_python
from tests.tiny_truss import PROJECT

COMMAND = PROJECT / "scripts" / "supply-chain"
LOCK = PROJECT / "model" / "requirements.txt"
SOURCE = PROJECT / "model" / "requirements.in"
LICENCES = re.compile(
    "|".join(
        (
            r"Apache(-2\.0| 2\.0| License 2\.0| Software License)",
            r"BSD(-2-Clause|-3-Clause| License)?",
            r"3-Clause BSD License",
            r"MIT(-0|-CMU| License)?",
            r"MPL-2\.0|Mozilla Public License 2\.0 \(MPL 2\.0\)",
            r"PSF-2\.0|Python Software Foundation License",
        )
    )
)
INSTALLED = """
import importlib.metadata, json
print(json.dumps({one.name: one.version for one in importlib.metadata.distributions()}))
"""


def locked() -> dict[str, str]:
    """Name and version of each package that has a hash."""
    hashed = re.findall(r"^([a-z0-9-]+)==(\S+) \\\n    --hash=sha256:", LOCK.read_text(), re.M)
    return dict(hashed)


@pytest.fixture(scope="module")
def needed(tmp_path_factory) -> Dependencies:
    directory = tmp_path_factory.mktemp("image")
    shutil.copytree(PROJECT / "model", directory / "truss" / "model")
    shutil.copy(PROJECT / "config.yaml", directory / "truss")
    return dependencies(directory / "truss", directory / "context")


def licences(name: str) -> list[str]:
    """As the package states them, in the one field or the other."""
    about = importlib.metadata.metadata(name)
    kinds = [one for one in about.get_all("Classifier") or [] if one.startswith("License ::")]
    texts = [about.get("License-Expression"), *(kind.split(" :: ")[-1] for kind in kinds)]
    stated = [text for text in texts if text and text != "OSI Approved"]
    return stated or [about.get("License") or ""]


def test_the_lock_is_of_what_the_model_asks_for():
    asked = [Requirement(line) for line in read_requirements(SOURCE)]
    versions = locked()
    assert [one.name for one in asked if versions[one.name] not in one.specifier] == []


def test_the_image_installs_nothing_without_a_hash(needed):
    names = {Requirement(line).name for line in needed.requirements}
    assert names == set(locked())
    assert [read_requirements(step) for step in needed.steps[1:]] == [[]]


def test_every_package_has_a_permissive_licence():
    others = {}
    for name in locked():
        try:
            stated = licences(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # Of the server's requirements only the stand-in's are installed here.
        parts = [part for text in stated for part in re.split(r" AND | OR |, ", text)]
        if not any(map(LICENCES.fullmatch, parts)) or any("GPL" in part for part in parts):
            others[name] = stated
    assert others == {}


def test_the_command_says_what_it_can_do():
    done = subprocess.run([COMMAND], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "sbom" in done.stderr
    assert "audit" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_tree_is_in_the_lock(needed, tmp_path):
    python = install(tmp_path / "venv", find_python("3.13") or sys.executable, needed)
    found = json.loads(subprocess.check_output([python, "-I", "-c", INSTALLED]))
    assert {re.sub("[-_.]+", "-", name).lower(): version for name, version in found.items()} == (
        locked()
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_bill_of_materials_names_each_package_with_its_hashes():
    done = subprocess.run([COMMAND, "sbom"], stdout=subprocess.PIPE, check=True)
    bill = json.loads(done.stdout)
    assert bill["bomFormat"] == "CycloneDX"
    assert {one["name"]: one["version"] for one in bill["components"]} == locked()
    assert all(one["externalReferences"][0]["hashes"] for one in bill["components"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_audit_that_cannot_ask_says_so():
    nowhere = {**os.environ, "https_proxy": "http://127.0.0.1:9"}
    command = [COMMAND, "audit"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=nowhere)
    assert done.returncode == 3
    assert done.stdout == ""
    assert "Not audited" in done.stderr.splitlines()[-1]
    assert len(done.stderr.splitlines()) <= 3
