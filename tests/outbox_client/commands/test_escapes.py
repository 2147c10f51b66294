"""What senders, models and the bucket chose reaches no terminal as it is."""

import json

import pytest

from outbox_client.commands.options import known_jobs
from tests.outbox_client.commands.test_options import LINES
from truss_outbox.contract.keys import escape

ODD = "\x1b[2J\u202e\r\nforged\x07\x9b\x00"
"""Clears a screen, turns the direction of writing, begins a line, rings, begins a sequence."""


@pytest.fixture
def odd_job(job, documents, outbox, service, bucket):
    """A job with an odd name, odd items, odd failures, and odd neighbours in the bucket."""
    job = f"{job}{ODD}".replace("\x00", "")  # no command line can hold a NUL
    (documents / "odd \x1b[2J\u202e\r\n.txt").write_bytes(b"odd")
    table = documents.parent / "rows.jsonl"
    table.write_text(
        json.dumps({"item": f"row{ODD}", "labels": {ODD: ODD}, "text": ODD}) + "\n"
        + json.dumps({"item": f"fails{ODD}", "text": "x"}) + "\n"
    )  # fmt: skip
    outbox("submit", documents, "--job", job)
    service.held = True
    outbox("submit", table, "--job", job)
    service.held = False
    for request_id, body in list(service.bodies.items()):
        item = body["model_input"]["metadata"]["item"]
        if item.startswith("fails"):
            key = f"job={escape(job)}/{escape(item)}"
            service.fail(request_id, key, code=f"CODE{ODD}", message=f"message{ODD}")
    service.run_queued()
    manifests = f"manifests/job={escape(job)}"
    bucket.put(f"{manifests}/damaged.json", f'{{"schema": "{escape(ODD)}"}}'.encode())
    bucket.put(f"{manifests}/broken{ODD.strip()[:3]}.json".replace("\x1b", "%1B"), b"{")
    bucket.put(f"jobs/{escape(job)}.json", json.dumps({"job": ODD, "counts": {ODD: 1}}).encode())
    return job


def raw(text):
    """What is not for a terminal, but for line ends and tabs."""
    return sorted({one for one in text if not one.isprintable() and one not in "\n\t"})


@pytest.mark.parametrize("name", [*LINES, "run again", "fetch --flat"])
@pytest.mark.parametrize("as_json", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_no_command_prints_what_a_terminal_acts_on(
    name, as_json, outbox, odd_job, documents, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    command = name.split()[0]
    words = [odd_job if word == "JOB" else word for word in LINES[command]]
    words = [documents if word == "documents" else word for word in words]
    more = ["--flat"] if name.endswith("--flat") else []
    if as_json and command not in {"policy"}:
        more.append("--json")
    result = outbox(command, *words, *more)
    printed = result.stdout + result.stderr
    assert raw(printed) == []
    assert not [line for line in printed.splitlines() if line.startswith("forged")]


def test_an_item_named_on_the_command_line_is_repeated_escaped(outbox, odd_job):
    result = outbox("retry", odd_job, ODD.replace("\x00", ""))
    assert result.exit_code != 0
    assert raw(result.stdout + result.stderr) == []


def test_completion_leaves_out_what_a_terminal_acts_on(outbox, odd_job, tmp_path, monkeypatch):
    monkeypatch.setenv("OUTBOX_HOME", str(tmp_path / "home"))
    assert not [job for job in known_jobs("") if not job.isprintable()]
