"""The examples of the companion's page that need no model, run as they are."""

import json

from tests.documentation.pages import block, command_lines
from tests.outbox_client.http_service import API_KEY


def test_submit_wait_and_fetch_are_functions(
    root, bucket_environment, base_url, documents, tmp_path, monkeypatch, capsys
):
    documents.rename(tmp_path / "scans")
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "OUTBOX_ROOT": root,
        "OUTBOX_HOME": str(tmp_path / "home"),
        "OUTBOX_BASE_URL": base_url,
        "BASETEN_API_KEY": API_KEY,
    }.items():
        monkeypatch.setenv(name, value)
    exec(compile(block("python", "find_items"), "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["a.txt succeeded ", "b.txt succeeded ", "more/c.txt succeeded "]
    assert [line.strip() for line in lines[3:]] == [
        "results/a.txt",
        "results/b.txt",
        "results/more/c.txt",
    ]
    assert (tmp_path / "results" / "b.txt" / "copy.bin").read_bytes() == b"beta"


def test_a_large_jobs_sources_are_files_patterns_objects_and_tables(
    outbox, root, bucket, service, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for file in ("archive/2026/a.pdf", "more/b.pdf"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_bytes(file.encode())
    bucket.put("inputs/in/c.pdf", b"an object")
    row = {"item": "d.pdf", "team": "blue", "document": {"base64": "ZA=="}}
    (tmp_path / "requests.jsonl").write_text(json.dumps(row))
    script = block("sh", "outbox submit requests.jsonl")

    for words in command_lines(script.replace("s3://your-bucket/outbox", root)):
        done = outbox(*words)
        assert done.exit_code == 0, done.output

    sent = [body["model_input"]["metadata"] for body in service.bodies.values()]
    assert {one["item"]: one["labels"] for one in sent} == {
        "2026/a.pdf": {},
        "b.pdf": {},
        "c.pdf": {},
        "d.pdf": {"team": "blue"},
    }
