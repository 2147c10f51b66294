"""The pages' examples, run as they are, against one server with the sample Truss."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from outbox_client.commands.app import app
from tests.documentation.pages import block, command_lines
from tests.end_to_end.asking import final_status
from tests.tiny_truss import PROJECT

EXAMPLES = PROJECT / "data" / "examples"


@pytest.fixture(scope="module")
def environment(ocr, tmp_path_factory) -> dict[str, str]:
    """A shell in which `outbox` is a command and the stand-in's variables are set."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    home = tmp_path_factory.mktemp("home")
    own = {"PATH": path, "HOME": str(home), "OUTBOX_HOME": str(home / "journal")}
    return {**os.environ, **own, **ocr.environment}


@pytest.fixture(scope="module")
def demo_job(ocr, environment, card, tmp_path_factory) -> None:
    """Two documents under the job that the examples name, sent as the README says; they are
    called as those are, and are read in less time."""
    folder = tmp_path_factory.mktemp("project")
    (folder / ".outbox").mkdir()
    variables = [f"{name}={shlex.quote(value)}\n" for name, value in ocr.environment.items()]
    (folder / ".outbox" / "environment").write_text("".join(variables))
    (folder / "data" / "examples").mkdir(parents=True)
    for name in ("notice-zh.png", "photo.png"):
        card.save(folder / "data" / "examples" / name)
    told_by_the_file = {k: v for k, v in environment.items() if k not in ocr.environment}
    commands = block("sh", "outbox run data/examples/*.png --job demo")
    run(["bash", "-e", "-c", commands], told_by_the_file, cwd=folder)


def run(command, environment, cwd=PROJECT) -> str:
    done = subprocess.run(
        command, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_curl_request_is_accepted_and_its_result_is_where_the_readme_says(ocr, environment):
    answer = json.loads(
        run(["bash", "-c", block("sh", "base64 < data/examples/photo.png")], environment)
    )
    headers = {"Authorization": f"Bearer {ocr.api_key}"}
    with httpx.Client(base_url=ocr.base_url, headers=headers) as api:
        assert final_status(api, answer["request_id"])["status"] == "SUCCEEDED"
    listing = [
        "import boto3, os",
        "s3 = boto3.client('s3', endpoint_url=os.environ['OUTBOX_ENDPOINT_URL'])",
        "print(s3.head_object(Bucket='outbox', Key='manifests/job=curl/photo.png.json')['ETag'])",
    ]
    assert run([sys.executable, "-c", "\n".join(listing)], environment)


def test_the_companions_commands_work_as_listed(
    environment, card, card_lines, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").mkdir()
    card.save(tmp_path / "scans" / "scan-1.pdf", resolution=150)
    for commands in (
        block("sh", "outbox submit scans/"),
        block("sh", "outbox fetch march --to results/ --include"),
        block("sh", "outbox sweep --older-than"),
    ):
        for words in command_lines(commands):
            result = CliRunner().invoke(app, words, env=environment)
            assert result.exit_code == 0, result.output
    texts = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.txt")}
    assert set(map(str, texts)) == {
        "results/scan-1.pdf/text.txt",
        "texts/scan-1.pdf.text.txt",
        "texts/7/scan-1.pdf.txt",
    }
    for text in texts:
        assert (tmp_path / text).read_text().splitlines() == card_lines


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
