"""A job's account in the bucket, however many items of the job have not succeeded."""

import hashlib
import json
import subprocess
import sys

import pytest

from outbox_client import Journal, report
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.bucket.records import account_key, problems_key
from outbox_client.following.account import MOST_SHOWN, final_account
from outbox_client.journal.entries import Settlement
from outbox_client.journal.states import State
from outbox_client.progress import silent
from tests.outbox_client.filling import fill_journal
from truss_outbox.contract.errors import AccessDeniedError

FEW, MORE = MOST_SHOWN, MOST_SHOWN + 150


def refused(journal, count):
    """A job of so many items, all of them sent and refused."""
    items = [f"scan-{number:06}.pdf" for number in range(count)]
    fill_journal(journal, items, submitted_at=1_000_000.0)
    journal.settle(
        *(
            Settlement(
                item=item,
                state=State.FAILED,
                request_id=f"r-{item}",
                code="INVALID_INPUT",
                message="pages: none of them is in the document",
                retryable=False,
                ended_at=1_000_001.0,
            )
            for item in items
        )
    )


@pytest.fixture
def account_of(journal, bucket, time):
    """Stores the account of a job of so many refused items; returns it, as it is stored."""

    def account_of(count):
        refused(journal, count)
        final_account(journal, bucket, clock=time.clock, progress=silent)
        return json.loads(bucket.get(account_key(journal.job)))

    return account_of


@pytest.mark.parametrize(("count", "schema"), [(FEW, "outbox.job/v1"), (MORE, "outbox.job/v2")])
def test_it_has_the_first_hundred_problems_and_names_all(
    account_of, bucket, journal, naming, count, schema
):
    """Of the first schema, readers of earlier versions know all problems from itself."""
    account = account_of(count)

    assert (account["schema"], account["not_succeeded_count"]) == (schema, count)
    assert account["counts"]["failed"] == account["total"] == count
    assert len(account["not_succeeded"]) == MOST_SHOWN
    data = bucket.get(problems_key(journal.job))
    assert account["problems"] == {
        "name": f"{journal.job}.problems.jsonl",
        "uri": f"{bucket.root}/jobs/{journal.job}.problems.jsonl",
        "size": len(data),
        "content_type": "application/jsonl",
        "sha256": hashlib.sha256(data).hexdigest(),
        "count": count,
    }
    lines = [json.loads(line) for line in data.splitlines()]
    assert lines[:MOST_SHOWN] == account["not_succeeded"]
    assert len({line["item"] for line in lines}) == count
    assert lines[-1]["code"] == "INVALID_INPUT"
    seen = report.survey(journal.job, bucket=bucket, naming=naming)
    assert (seen.failed, [group.count for group in seen.failures]) == (count, [count])
    assert seen.problems == []


def test_of_a_job_that_succeeded_there_are_no_problems(journal, bucket, time):
    fill_journal(journal, ["a"], submitted_at=time.now)
    journal._write("UPDATE entries SET state = 'succeeded'", [{}])
    final_account(journal, bucket, clock=time.clock, progress=silent)
    account = json.loads(bucket.get(account_key(journal.job)))
    assert (account["not_succeeded_count"], account["not_succeeded"]) == (0, [])
    assert account["problems"] is None
    assert list(bucket.keys("jobs/")) == [account_key(journal.job)]


def test_an_account_names_no_problems_that_could_not_be_stored(journal, bucket, time, monkeypatch):
    def refuse(key, path):
        raise AccessDeniedError(key, "the bucket refuses these credentials")

    monkeypatch.setattr(bucket, "upload", refuse)
    refused(journal, 1)
    notes = []
    account = final_account(
        journal, bucket, clock=time.clock, progress=lambda event: notes.append(event.note)
    )
    assert (account.problems, list(bucket.keys("jobs/"))) == (None, [])
    assert "the job's account could not be stored: " in notes[-1]


def test_problems_that_are_not_the_accounts_are_told_and_its_own_are_counted(
    account_of, bucket, journal, naming
):
    account_of(MORE)
    bucket.put(problems_key(journal.job), b"{}\n")
    seen = report.survey(journal.job, bucket=bucket, naming=naming)
    assert seen.failed == MOST_SHOWN
    assert [one.key for one in seen.problems] == [problems_key(journal.job)]
    page = report.page(seen, [], now=seen.account.written_at)
    assert f"{MORE} failed" in page


def test_problems_that_are_written_anew_meanwhile_are_read_anew(
    account_of, bucket, journal, naming, time, monkeypatch
):
    """Another account is there by the time that the first one's problems are looked for."""
    account_of(MORE)
    journal._write("UPDATE entries SET message = 'another'", [{}])
    time.now += 100
    asked = []

    def size(key):
        asked.append(key)
        if len(asked) == 1:
            final_account(journal, bucket, clock=time.clock, progress=silent)
        return original(key)

    original = bucket.size
    monkeypatch.setattr(bucket, "size", size)
    seen = report.survey(journal.job, bucket=bucket, naming=naming)
    assert len(asked) == 2
    assert (seen.failed, seen.problems) == (MORE, [])
    assert seen.account.written_at.timestamp() == time.now
    assert seen.failures[0].examples[0][1] == "another"


@pytest.mark.parametrize("job", ["x" * 400, "ü" * 100, "."])
def test_a_job_of_any_name_has_both_in_a_directory_too(job, tmp_path, time, naming):
    bucket = open_bucket(f"file://{tmp_path}/bucket")
    with Journal.opened(tmp_path / "home", job=job, root=bucket.root, create=True) as journal:
        refused(journal, MORE)
        final_account(journal, bucket, clock=time.clock, progress=silent)
    assert len(list(bucket.keys("jobs/"))) == 2
    assert report.survey(job, bucket=bucket, naming=naming).failed == MORE


def test_wait_tells_of_a_hundred_and_where_all_are(outbox, journal, bucket):
    refused(journal, MORE)
    document = json.loads(outbox("wait", journal.job, "--json").stdout)
    assert (document["counts"], document["not_succeeded_count"]) == ({"failed": MORE}, MORE)
    assert len(document["not_succeeded"]) == MOST_SHOWN
    where = f"{bucket.root}/{problems_key(journal.job)}"
    assert document["problems"]["uri"] == where
    lines = outbox("wait", journal.job).stdout.splitlines()
    assert lines[-3:] == [
        f"and {MORE - 5} more failed (INVALID_INPUT)",
        f"all that did not succeed: {where}",
        f"job {journal.job}: {MORE} failed",
    ]


PROGRAM = """
import resource, sys
from pathlib import Path
from outbox_client.commands.app import app
try:
    app(sys.argv[1:], standalone_mode=False)
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_hundred_thousand_refusals_are_accounted_for_and_reported_in_bounded_memory(
    journal, bucket, root, bucket_environment, seaweedfs, tmp_path, outbox
):
    refused(journal, 100_000)
    environment = {
        **bucket_environment,
        "OUTBOX_HOME": str(tmp_path / "home"),
        "OUTBOX_ROOT": root,
        "OUTBOX_BASE_URL": "http://127.0.0.1:9",
        "BASETEN_API_KEY": "k",
    }
    for arguments in (["wait", journal.job], ["report", journal.job, "--to", f"{tmp_path}/r.html"]):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        *_, last = done.stdout.splitlines()
        assert int(last.split()[1]) <= 250, (arguments, last)
        assert "100,000 failed" in done.stdout, done
