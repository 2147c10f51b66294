"""The pages' examples that need no particular model, run as they are."""

import asyncio
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.requests import Request as HttpRequest
from typer.testing import CliRunner

from local_baseten.faults.faults import Fault
from outbox_client.commands.app import app
from tests.asking_outbox import answer as answer_of
from tests.asking_outbox import settings
from tests.documentation.pages import block, command_lines
from tests.tiny_truss import PROJECT, make_tiny_truss
from truss_outbox import Outbox
from truss_outbox.stores.memory import MemoryStore

STAND_IN = PROJECT / "scripts" / "local_baseten" / "README.md"


@pytest.fixture
def own_truss(tmp_path) -> Path:
    """The Truss of a user who took the README's model, with a document to send."""
    truss = make_tiny_truss(tmp_path / "own")
    (truss / "model" / "inference" / "__init__.py").write_text(block("python", "class Describer"))
    documents = truss / "data" / "examples"
    documents.mkdir(parents=True)
    shutil.copy(PROJECT / "data" / "examples" / "notice-ja.png", documents)
    return truss


@pytest.mark.slow
def test_the_fixture_runs_in_somebodys_own_tests(own_truss):
    (own_truss / "test_scans.py").write_text(block("python", "def baseten("))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", ".", "-v", "test_scans.py"],
        env={**os.environ, "PATH": path},
        cwd=own_truss,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_webhook_secrets_are_added_listed_and_expired(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    said = [
        runner.invoke(app, [word.replace("ID", known_id()) for word in words])
        for words in command_lines(block("sh", "outbox webhook secrets add"))
    ]
    assert [one.exit_code for one in said] == [0, 0, 0], said
    assert "signs nothing any more" in said[-1].stdout


def known_id() -> str:
    """The id of the webhook secret that this folder has, if it has one."""
    listed = CliRunner().invoke(app, ["webhook", "secrets", "list", "--json"])
    return next((one["id"] for one in json.loads(listed.stdout)["secrets"]), "")


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_is_explained(fault):
    assert f"| `{fault}` | " in STAND_IN.read_text()


def test_the_explicit_form_is_three_steps(tmp_path):
    names: dict = {}
    exec(compile(block("python", "Outbox.open(self._config"), "README.md", "exec"), names)
    outbox = {"root": tmp_path.as_uri()}
    model = names["Model"]({"model_metadata": {"outbox": outbox}}, {})
    model.load()
    scope = {"type": "http", "headers": [(b"x-baseten-request-id", b"r")]}
    work = model.preprocess({"document": {"base64": "YSBi"}}, HttpRequest(scope))

    async def answer() -> dict:
        return await model.postprocess(await model.predict(work))

    pointer = asyncio.run(answer())
    assert (pointer["key"], pointer["result"]) == ("job=adhoc/r", {"bytes": 3})
    assert model.is_healthy()


def test_a_function_is_run_isolated(tmp_path, monkeypatch):
    (tmp_path / "words_of_a_document.py").write_text(block("python", "def count_words(path)"))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "document").write_text("one two")
    example = importlib.import_module("words_of_a_document")
    assert example.words_of(SimpleNamespace(path=tmp_path / "document")) == 2


def test_ones_own_model_takes_two_names(tmp_path):
    names: dict = {}
    exec(compile(block("python", "class Describer"), "README.md", "exec"), names)
    store = MemoryStore()
    outbox = Outbox(settings=settings(), bucket=store, request_type=names["Request"])
    model_input = {"prompt": "It has", "document": {"base64": "YWJj"}}
    manifest = answer_of(outbox, model_input, run=names["load"]({}, tmp_path).run)
    assert manifest.result == {"size": 3}
    stored = f"artifacts/{manifest.key}/{manifest.attempt}/answer.txt"
    assert store.get(stored) == b"It has 3 bytes."
