"""`outbox delete`, on a bucket with the rights it needs and no more, and what it says."""

import json

import pytest

from tests.documentation.pages import block, command_lines


@pytest.fixture
def sent(outbox, documents, job):
    """A job with three results, an account and an index."""
    assert outbox("submit", documents, "--job", job, "--stage").exit_code == 0
    assert outbox("wait", job).exit_code == 0
    assert outbox("index", job).exit_code == 0
    return job


FOLDERS = ("manifests", "artifacts", "failures", "index", "jobs", "submissions", "inputs")


def keys(bucket):
    return {key for folder in FOLDERS for key in bucket.keys(f"{folder}/")}


def test_a_job_goes_and_may_be_sent_again(outbox, sent, bucket, documents, tmp_path):
    before = keys(bucket)
    said = outbox("delete", sent)
    assert said.exit_code == 0, said.output
    assert "results: 3\n" in said.stdout
    assert "--delete makes them go; nothing brings them back\n" in said.stdout
    assert keys(bucket) == before

    done = json.loads(outbox("delete", sent, "--delete", "--json").stdout)
    assert (done["results"], done["artifacts"], done["index_rows"], done["inputs"]) == (3, 6, 3, 3)
    assert (done["deleted"], done["complete"]) == (True, True)
    assert (done["undeleted"], done["notes"]) == ([], [])
    assert keys(bucket) == set()
    assert json.loads(outbox("jobs", "--json").stdout)["jobs"] == []
    assert outbox("fetch", sent, "--to", tmp_path / "out").exit_code == 1
    assert outbox("delete", sent, "--delete").stdout == f"nothing of job {sent} to delete\n"

    assert outbox("run", documents, "--job", sent, "--to", tmp_path / "out").exit_code == 0
    assert outbox("index", sent).exit_code == 0
    assert json.loads(outbox("index", sent, "--json").stdout)["known"] == 3
    assert (tmp_path / "out" / "a.txt" / "copy.bin").read_bytes() == b"alpha"


def test_some_of_a_job_go_and_this_machine_forgets_them(outbox, sent, bucket, tmp_path):
    done = outbox("delete", sent, "--item", "a.txt", "--item", "more/c.txt", "--delete")
    assert "results: 2\n" in done.stdout
    assert "inputs: 2" in done.stdout
    assert json.loads(outbox("status", sent, "--json").stdout)["counts"] == {"succeeded": 1}
    assert json.loads(outbox("index", sent, "--json").stdout)["known"] == 1
    told = b"".join(map(bucket.get, bucket.keys(f"submissions/job={sent}/")))
    assert b"b.txt" in told
    assert not any(name in told for name in (b"a.txt", b"c.txt"))
    (left,) = bucket.keys("inputs/")
    assert bucket.get(left) == b"beta"
    # Another machine hears of what is left alone.
    elsewhere = outbox("status", sent, "--json", OUTBOX_HOME=str(tmp_path / "elsewhere"))
    assert sum(json.loads(elsewhere.stdout)["counts"].values()) == 1


def test_who_may_still_store_something_is_told_of(outbox, documents, job, service):
    service.held = True
    assert outbox("submit", documents, "--job", job).exit_code == 0
    said = outbox("delete", job)
    assert "3 request(s) may be under way, and what they store from now on stays" in said.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--label", "team"), "--label: must be written NAME=VALUE"),
        (("--older-than", "old"), "--older-than: is a number and a unit"),
    ],
)
def test_a_selection_that_is_none_deletes_nothing(outbox, sent, options, said, bucket):
    before = keys(bucket)
    done = outbox("delete", sent, *options, "--delete")
    assert done.exit_code == 2
    assert said in done.stderr
    assert keys(bucket) == before


def test_the_pages_examples_delete_what_they_say(outbox, bucket, documents, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requests.jsonl").write_text(
        "".join(
            json.dumps({"item": item, "labels": {"customer": customer}, "text": item}) + "\n"
            for item, customer in (("scan-1.pdf", "1"), ("b", "7"), ("c", "7"), ("d", "8"))
        )
    )
    assert outbox("submit", "requests.jsonl", "--job", "march").exit_code == 0
    assert outbox("wait", "march").exit_code == 0
    left = []
    for words in command_lines(block("sh", "outbox delete march")):
        done = outbox(*words)
        assert done.exit_code == 0, done.output
        left.append(sorted(key.rpartition("/")[2] for key in bucket.keys("manifests/")))
    four = ["b.json", "c.json", "d.json", "scan-1.pdf.json"]
    assert left == [four, four, four[:3], ["d.json"], ["d.json"], []]


def test_the_pages_rules_let_results_go(outbox):
    (words,) = command_lines(block("sh", "--results-days 90"))
    rules = json.loads(outbox(*words, OUTBOX_ROOT="s3://b/p").stdout)["Rules"]
    assert {"Days": 90} in [rule.get("Expiration") for rule in rules]
