"""The pages' examples, run as they are, against one server with the sample Truss."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from local_baseten.faults.faults import Fault
from tests.documentation.pages import block
from tests.end_to_end.asking import final_status
from tests.tiny_truss import PROJECT
from truss_outbox.contract import KeyTemplate, ModelInfo
from truss_outbox.contract.keys import DEFAULT_TEMPLATE
from truss_outbox.serving.outbox import Outbox
from truss_outbox.serving.uploads import BoundedExecutor
from truss_outbox.stores.memory import MemoryStore

EXAMPLES = PROJECT / "data" / "examples"
STAND_IN = PROJECT / "scripts" / "local_baseten" / "README.md"


@pytest.fixture(scope="module")
def environment(ocr, tmp_path_factory) -> dict[str, str]:
    """A shell in which `outbox` is a command and the stand-in's variables are set."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    home = tmp_path_factory.mktemp("home")
    own = {"PATH": path, "HOME": str(home), "OUTBOX_HOME": str(home / "journal")}
    return {**os.environ, **own, **ocr.environment}


@pytest.fixture(scope="module")
def demo_job(ocr, environment, tmp_path_factory) -> None:
    """Two documents under the job that the examples name, sent as the README says."""
    folder = tmp_path_factory.mktemp("project")
    (folder / ".outbox").mkdir()
    variables = [f"{name}={shlex.quote(value)}\n" for name, value in ocr.environment.items()]
    (folder / ".outbox" / "environment").write_text("".join(variables))
    (folder / "data" / "examples").mkdir(parents=True)
    for name in ("notice-zh.png", "photo.png"):
        shutil.copy(EXAMPLES / name, folder / "data" / "examples")
    told_by_the_file = {k: v for k, v in environment.items() if k not in ocr.environment}
    commands = block("sh", "outbox run data/examples/*.png --job demo")
    run(["bash", "-e", "-c", commands], told_by_the_file, cwd=folder)


def run(command, environment, cwd=PROJECT) -> str:
    done = subprocess.run(
        command, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_curl_request_is_accepted_and_its_result_is_where_the_readme_says(ocr, environment):
    answer = json.loads(run(["bash", "-c", block("sh", "curl -sS")], environment))
    headers = {"Authorization": f"Bearer {ocr.api_key}"}
    with httpx.Client(base_url=ocr.base_url, headers=headers) as api:
        assert final_status(api, answer["request_id"])["status"] == "SUCCEEDED"
    listing = [
        "import boto3, os",
        "s3 = boto3.client('s3', endpoint_url=os.environ['OUTBOX_ENDPOINT_URL'])",
        "print(s3.head_object(Bucket='outbox', Key='manifests/job=curl/photo.png.json')['ETag'])",
    ]
    assert run([sys.executable, "-c", "\n".join(listing)], environment)


def test_the_companions_commands_work_as_listed(environment, tmp_path):
    (tmp_path / "scans").mkdir()
    shutil.copy(EXAMPLES / "notice-ja.png", tmp_path / "scans")
    commands = block("sh", "outbox submit scans/").replace("--set pages=1-3 ", "")
    run(["bash", "-e", "-c", commands], environment, cwd=tmp_path)
    text = (tmp_path / "results" / "notice-ja.png" / "text.txt").read_text()
    assert text.strip() == (EXAMPLES / "truth" / "notice-ja.txt").read_text().strip()
    upkeep = block("sh", "outbox sweep --older-than").replace("scan-1.pdf", "notice-ja.png")
    run(["bash", "-e", "-c", upkeep], environment, cwd=tmp_path)


@pytest.mark.usefixtures("demo_job")
def test_a_downstream_job_needs_boto3_alone(environment):
    lines = run([sys.executable, "-c", block("python", "import boto3")], environment).splitlines()
    assert {line.split()[0] for line in lines} == {"notice-zh.png", "photo.png"}
    assert len(lines) == 4


@pytest.mark.usefixtures("demo_job")
def test_duckdb_reads_the_manifests_and_the_index(environment):
    # In place of the download that INSTALL makes: then it finds the extension installed.
    install = "from duckdb_extensions import import_extension; import_extension('httpfs')"
    run([sys.executable, "-c", install], environment)
    over_manifests = block("python", "import duckdb")
    table = run([sys.executable, "-c", over_manifests], environment)
    assert "notice-zh.png" in table
    assert "photo.png" in table
    assert "mean_confidence" in table
    run(["outbox", "index", "demo"], environment)
    over_index = over_manifests + block("python", "len(artifacts) AS files")
    table = run([sys.executable, "-c", over_index], environment).removeprefix(table)
    assert "notice-zh.png" in table
    assert "photo.png" in table
    assert "files" in table


def test_the_fixture_runs_in_somebodys_own_tests(environment, tmp_path):
    file = tmp_path / "test_scans.py"
    file.write_text(block("python", "def baseten("))

    said = run([sys.executable, "-m", "pytest", "--rootdir", tmp_path, "-v", file], environment)

    assert "1 passed" in said


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_is_explained(fault):
    assert f"| `{fault}` | " in STAND_IN.read_text()


def test_ones_own_model_takes_two_names(tmp_path):
    names: dict = {}
    exec(compile(block("python", "class Describer"), "README.md", "exec"), names)
    store = MemoryStore()
    outbox = Outbox(
        store=store,
        template=KeyTemplate.parse(DEFAULT_TEMPLATE),
        model=ModelInfo(name="describer", version="1"),
        inference=names["load"]({}, tmp_path),
        request_type=names["Request"],
        uploads=BoundedExecutor(1),
        max_document_bytes=100,
    )
    model_input = {"prompt": "It has", "document": {"base64": "YWJj"}}
    manifest = outbox.run(outbox.prepare(model_input, request_id="r")).result()
    assert manifest.result == {"size": 3}
    assert (
        store.get(f"artifacts/{manifest.key}/{manifest.attempt}/answer.txt") == b"It has 3 bytes."
    )
