"""The commands: exit codes, JSON, and one clear line when something is wrong."""

import json
import os
import signal
import subprocess
import sys

from tests.outbox_client.http_service import API_KEY
from tests.truss_outbox.stores.s3.front_door import running_front_door


def test_run_sends_waits_and_fetches(outbox, documents, job, tmp_path):
    result = outbox("run", documents, "--job", job, "--to", tmp_path / "out")

    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "more/c.txt" / "copy.bin").read_bytes() == b"gamma"
    assert f"job {job}: 3 succeeded" in result.stdout
    assert "fetched 3/3" in result.stderr


def test_every_answer_can_be_json_and_nothing_else_is_on_stdout(
    outbox, documents, job, tmp_path, root
):
    def answer(*arguments):
        result = outbox(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    submitted = answer("submit", documents, "--job", job, "--label", "team=a=b")
    assert {one["item"] for one in submitted["accepted"]} == {"a.txt", "b.txt", "more/c.txt"}
    assert answer("wait", job)["counts"] == {"succeeded": 3}
    assert answer("status", job)["counts"] == {"succeeded": 3}
    assert answer("fetch", job, "--to", tmp_path / "out")["results"][0]["downloaded"] == 2
    assert answer("cancel", job)["reason"] == "nothing waits or runs: 3 succeeded"
    (known,) = answer("jobs")["jobs"]
    assert (known["job"], known["root"], known["counts"]) == (job, root, {"succeeded": 3})
    again = answer("run", documents, "--job", job, "--to", tmp_path / "out")
    assert again["counts"] == {"succeeded": 3}
    assert {result["downloaded"] for result in again["results"]} == {0}


def test_labels_and_settings_reach_the_model(outbox, documents, job, service):
    outbox(
        *("submit", documents / "a.txt", "--job", job, "--label", "team=a=b"),
        *("--set", 'artifacts=["text.txt"]', "--set", "pages=1-5", "--set", "dpi=150"),
        *("--priority", 2, "--max-time-in-queue", 3600),
    )

    (body,) = service.bodies.values()
    assert body["priority"] == 2
    assert body["max_time_in_queue_seconds"] == 3600
    model_input = body["model_input"]
    assert model_input["artifacts"] == ["text.txt"]
    assert model_input["pages"] == "1-5"
    assert model_input["dpi"] == 150
    assert model_input["metadata"] == {"job": job, "item": "a.txt", "labels": {"team": "a=b"}}


def test_nothing_is_sent_when_the_input_is_wrong(outbox, documents, job, service, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.txt").write_bytes(b"another")
    wrong = {
        "does not exist": [documents / "nothing.txt"],
        "would both be item 'a.txt'": [documents / "a.txt", tmp_path / "other" / "a.txt"],
        "--label: must be written": [documents, "--label", "team"],
        "cannot be set": [documents, "--set", "metadata={}"],
        "priority": [documents, "--priority", "3"],
        "max-time-in-queue": [documents, "--max-time-in-queue", "9"],
        "surrogate": [documents, "--set", r'x="\ud800"'],
        "NaN": [documents, "--set", "x=NaN"],
    }
    for said, arguments in wrong.items():
        result = outbox("submit", *arguments, "--job", job)
        assert result.exit_code == 2, (said, result.output)
        assert said in result.stderr, result.stderr
        assert result.stdout == ""
    assert service.bodies == {}


def test_an_empty_folder_is_an_error(outbox, tmp_path, job):
    (tmp_path / "empty" / ".git").mkdir(parents=True)
    result = outbox("submit", tmp_path / "empty", "--job", job)
    assert (result.exit_code, result.stderr) == (2, "outbox: PATH: there is no file to submit\n")


def test_what_is_not_configured_is_exit_3(outbox, documents, job):
    submit = ("submit", documents, "--job", job)
    for said, changes in {
        "BASETEN_API_KEY: is not set": {"BASETEN_API_KEY": ""},
        "model_id: no model is named": {"OUTBOX_BASE_URL": ""},
        "refuses the API key": {"BASETEN_API_KEY": "another"},
        "(OUTBOX_BASE_URL) does not answer": {"OUTBOX_BASE_URL": "http://127.0.0.1:9"},
        "there is no such bucket": {"OUTBOX_ROOT": "s3://no-such-bucket"},
        "root: ftp: must be s3://": {"OUTBOX_ROOT": "ftp://x"},
        "refuses these credentials": {"AWS_SECRET_ACCESS_KEY": "wrong"},
        "unknown field {when}": {"OUTBOX_KEY_TEMPLATE": "{when}"},
    }.items():
        result = outbox(*submit, **changes)
        assert result.exit_code == 3, (said, result.output)
        assert said in result.stderr, result.stderr
        assert result.stderr.splitlines()[-1].startswith("outbox: ")


def test_the_key_may_come_from_a_file(outbox, documents, job, tmp_path):
    (tmp_path / "key").write_text(f"{API_KEY}\n")
    submit = ("submit", documents, "--job", job, "--api-key-file", tmp_path / "key")
    assert outbox(*submit, BASETEN_API_KEY="").exit_code == 0


def test_a_job_nobody_submitted_is_exit_2(outbox):
    for command in (["wait", "x"], ["status", "x"], ["cancel", "x"]):
        result = outbox(*command)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "was not submitted" in result.stderr


def test_what_finds_nothing_says_why(outbox, documents, job, service, tmp_path, bucket):
    """Each command that looks for results; status and the like are told by the journal."""

    def said(name, *more, **changes):
        fetch = ["--to", tmp_path / "out"] if more[0] == "fetch" else []
        result = outbox(more[0], name, *more[1:], *fetch, **changes)
        assert result.exit_code == (2 if more[0] == "report" else 0 if more[0] == "index" else 1)
        return result.stderr.splitlines()[-1]

    for command in ("fetch", "report", "presign", "index"):
        assert said(job, command).endswith("; jobs there: none")
    service.held = True
    outbox("submit", documents, "--job", job)
    for command in ("fetch", "report", "presign"):
        assert "yet: 3 sent; `outbox wait` follows it" in said(job, command)
    service.held = False
    service.run_queued()
    outbox("wait", job)
    for command in ("fetch", "report", "presign"):
        assert f"did you mean {job!r}?" in said(f"{job}x", command)
    assert said(job, "fetch", "--include", "none*").endswith("not among what was asked for")
    elsewhere = bucket.root + "/elsewhere"
    assert f"it was submitted to {bucket.root} at http" in said(job, "fetch", OUTBOX_ROOT=elsewhere)
    for key in list(bucket.keys(f"manifests/job={job}/")):
        bucket.delete(key)
    assert "there were some" in said(job, "fetch")
    fetched = json.loads(outbox("fetch", job, "--to", tmp_path / "out", "--json").stdout)
    assert "there were some" in fetched["reason"]
    # A server may list the folder of what has gone.
    assert said(job, "fetch", OUTBOX_HOME=str(tmp_path / "new")).endswith("; jobs there: none")


def test_what_has_nothing_to_send_or_to_cancel_says_why(outbox, documents, job):
    outbox("submit", documents, "--job", job)
    outbox("wait", job)
    for command, why in {
        "resume": "nothing is left to send: 3 succeeded",
        "retry": "nothing failed that may succeed now",
        "cancel": "nothing waits or runs: 3 succeeded",
    }.items():
        result = outbox(command, job)
        assert (result.exit_code, why in result.stderr) == (0, True), result.stderr


def test_jobs_of_one_name_in_two_buckets_stay_apart(outbox, documents, job, seaweedfs, bucket):
    """The bucket of another server here has the same name: only the endpoint tells them apart."""
    outbox("submit", documents, "--job", job)
    for key in bucket.keys("submissions/"):
        bucket.delete(key)
    with running_front_door(seaweedfs.endpoint_url) as door:
        there = {"OUTBOX_ENDPOINT_URL": door.url}
        unknown = outbox("status", job, **there)
        assert (unknown.exit_code, unknown.stdout) == (2, "")
        assert f"at {seaweedfs.endpoint_url}: name that bucket" in unknown.stderr
        sent = outbox("submit", documents / "a.txt", "--job", job, "--json", **there)
        assert len(json.loads(sent.stdout)["accepted"]) == 1
        counts = json.loads(outbox("wait", job, "--json", **there).stdout)["counts"]
        assert counts == {"succeeded": 1}
        assert door.url in outbox("jobs").stdout
    assert json.loads(outbox("wait", job, "--json").stdout)["counts"] == {"succeeded": 3}


def test_waiting_ends_in_time_with_exit_4(outbox, documents, job, service):
    service.held = True
    outbox("submit", documents, "--job", job)
    result = outbox("wait", job, "--timeout", 0)
    assert result.exit_code == 4
    assert "3 result(s)" in result.stderr


def test_a_failed_item_is_exit_1_and_its_reason_is_shown(outbox, documents, job, tmp_path):
    run = ("run", documents, "--job", job, "--to", tmp_path / "out")
    outbox(*run)
    (documents / "a.txt").write_bytes(b"changed")

    result = outbox(*run)

    assert result.exit_code == 1
    assert "a.txt: failed (KEY_CONFLICT)" in result.stdout
    assert "2 succeeded" in result.stdout


def test_a_refused_request_is_reported_and_the_others_go_on(outbox, documents, job, faults):
    faults.submits.append((400, '{"error": "not this one"}'))
    result = outbox("submit", documents, "--job", job, "--json")

    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert len(answer["accepted"]) == 2
    assert "not this one" in answer["refused"][0]["problem"]


def test_cancel_tells_queued_from_running(outbox, documents, job, service):
    service.held = True
    outbox("submit", documents, "--job", job)
    stands = json.loads(outbox("status", job, "--json").stdout)
    assert (stands["counts"], stands["queue"]) == ({"sent": 3}, {"queued": 3, "in_progress": 0})

    assert outbox("cancel", job, "a.txt").stdout == "1 canceled\n"
    assert outbox("cancel", job, "zzz").exit_code == 2
    service.run_queued()
    answer = json.loads(outbox("cancel", job, "--json").stdout)
    assert (answer["canceled"], sorted(answer["too_late"])) == ([], ["b.txt", "more/c.txt"])
    result = outbox("wait", job, "--json")
    assert json.loads(result.stdout)["counts"] == {"canceled": 1, "succeeded": 2}
    assert result.exit_code == 1


def test_control_characters_in_names_do_not_reach_the_terminal(outbox, tmp_path, job, service):
    (tmp_path / "in").mkdir()
    for content, exit_code in ((b"x", 0), (b"another", 1)):
        (tmp_path / "in" / "x\x1b[2Jy\n.txt").write_bytes(content)
        result = outbox("run", tmp_path / "in", "--job", job, "--to", tmp_path / "out")
        assert result.exit_code == exit_code
    assert "\x1b" not in result.output
    assert "\\x1b[2J" in result.stderr
    assert "\\x1b[2J" in result.stdout


def test_a_document_that_is_gone_does_not_spoil_the_next_run(outbox, documents, job, tmp_path):
    run = ("run", documents, "--job", job, "--to", tmp_path / "out")
    outbox(*run)
    (documents / "a.txt").write_bytes(b"changed")
    assert outbox(*run).exit_code == 1
    (documents / "a.txt").rename(documents / "a2.txt")
    assert outbox(*run).exit_code == 1  # its old result is still another input's
    fresh = (*run[:2], "--job", f"{job}-2", *run[4:])
    assert outbox(*fresh).exit_code == 0


def test_serve_says_what_is_wrong_with_its_truss(outbox, tmp_path):
    result = outbox("serve", tmp_path / "nothing", "--state", tmp_path / "state")
    assert result.exit_code == 3
    assert "not a Truss" in result.stderr


def test_serve_names_a_file_of_secrets_that_cannot_be_read(outbox, tmp_path):
    result = outbox("serve", tmp_path, "--secrets", tmp_path / "none.yaml")
    assert result.exit_code == 3
    assert "none.yaml cannot be read: No such file" in result.stderr


def test_ctrl_c_is_exit_130_and_no_traceback(
    outbox, documents, job, service, base_url, root, tmp_path, bucket_environment
):
    service.held = True
    environment = {
        **os.environ,
        "OUTBOX_ROOT": root,
        "OUTBOX_HOME": str(tmp_path / "home"),
        "OUTBOX_BASE_URL": base_url,
        "BASETEN_API_KEY": API_KEY,
    }
    program = [sys.executable, "-m", "outbox_client", "run", str(documents)]
    with subprocess.Popen(
        [*program, "--job", job, "--to", str(tmp_path / "out")],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "sent 3/3" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130
    said = "outbox: interrupted; what was sent goes on, and `outbox wait` finds it"
    assert rest.splitlines()[-1] == said
    assert "Traceback" not in rest
    assert json.loads(outbox("status", job, "--json").stdout)["counts"] == {"sent": 3}


def test_the_exit_codes_are_in_the_help(outbox):
    for command in ("--help", "run --help", "wait --help"):
        assert "130 interrupted" in outbox(*command.split()).stdout.replace("\n  ", " ")
