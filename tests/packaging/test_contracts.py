"""No new module escapes the import contracts: one is planted against each of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny_truss import PROJECT

PLANTED = {
    "the contract is pure": ("model/packages/truss_outbox/contract/new.py", "import boto3"),
    "inside the library": ("model/packages/truss_outbox/stores/new.py", "from .. import serving"),
    "the library knows": ("model/packages/truss_outbox/serving/new.py", "import outbox_client"),
    "what reads the bucket": (
        "scripts/outbox_client/report/new.py",
        "import outbox_client.journal",
    ),
    "the companion knows": ("scripts/outbox_client/new.py", "import rich"),
    "the companion's commands": ("scripts/outbox_client/commands/new.py", "import model"),
    "the stand-in knows": ("scripts/local_baseten/new.py", "import truss_outbox.stores"),
    "to verify a webhook": ("scripts/baseten_webhooks/new.py", "import starlette"),
    "the receiver": ("scripts/baseten_webhooks/receiver/new.py", "import truss_outbox.contract"),
    "the OCR knows": ("model/inference/new.py", "import local_baseten"),
}


def lint(tree: Path) -> str:
    folders = [tree / "model" / "packages", tree / "scripts", tree]
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Broken contracts" in done.stdout or done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> str:
    """What import-linter prints of a copy of the project in which each contract is broken."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copy(PROJECT / "pyproject.toml", tree)
    unneeded = shutil.ignore_patterns("__pycache__", "bench", "examples")
    for folder in ("model", "scripts", "tests/packaging"):
        shutil.copytree(PROJECT / folder, tree / folder, ignore=unneeded)
    (tree / "tests" / "__init__.py").touch()
    for path, line in PLANTED.values():
        (tree / path).write_text(f"{line}\n")
    return lint(tree)


def test_the_project_keeps_its_contracts():
    assert "0 broken" in lint(PROJECT)


@pytest.mark.parametrize("contract", PLANTED)
def test_a_new_module_that_breaks_a_contract_is_found(said, contract):
    _, _, broken = said.partition("Broken contracts")
    path, _ = PLANTED[contract]
    assert contract in broken
    module = path.removeprefix("model/packages/").removeprefix("scripts/").removesuffix(".py")
    assert module.replace("/", ".") in broken


def test_every_contract_is_tried(said):
    assert f"0 kept, {len(PLANTED)} broken" in said
