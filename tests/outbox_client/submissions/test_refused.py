"""A bucket that takes no submissions, or has others' objects among them: sending goes on."""

import json

import pytest

from outbox_client.policies import Purpose, policy
from outbox_client.submissions.parts import folder
from tests.outbox_client.iam import new_user
from truss_outbox.contract.root import Root


@pytest.fixture
def user(seaweedfs):
    with new_user(seaweedfs) as user:
        yield user


def without_submissions(root):
    """The client's policy of before there were any."""
    whole = policy(Purpose.CLIENT, Root.parse(root))
    for statement in whole["Statement"]:
        if "s3:PutObject" in statement["Action"] or "s3:GetObject" in statement["Action"]:
            statement["Resource"] = [one for one in statement["Resource"] if "subm" not in one]
    return whole


def test_a_policy_without_that_right_costs_one_note_and_nothing_else(
    outbox, documents, job, root, user, bucket, counts_of
):
    user.may(without_submissions(root))
    sent = outbox("submit", documents, "--job", job, "--json", **user.environment)
    assert sent.exit_code == 0
    assert len(json.loads(sent.stdout)["accepted"]) == 3
    notes = [line for line in sent.stderr.splitlines() if "no other machine can follow" in line]
    assert len(notes) == 1
    assert list(bucket.keys(folder(job))) == []
    waited = outbox("wait", job, "--json", **user.environment)
    assert (waited.exit_code, counts_of(waited)) == (0, {"succeeded": 3})


def test_the_clients_policy_has_all_that_another_machine_needs(
    outbox, there, documents, job, root, user, counts_of
):
    user.may(policy(Purpose.CLIENT, Root.parse(root)))
    sent = outbox("submit", documents, "--job", job, **user.environment)
    assert (sent.exit_code, "no other machine" in sent.stderr) == (0, False)
    waited = there("wait", job, "--json", **user.environment)
    assert (waited.exit_code, counts_of(waited)) == (0, {"succeeded": 3})


A_HEADER = (
    b'{"schema": "outbox.submissions/v1", "job": "JOB", "sender": "a", "written_at": 1,'
    b' "planned": 1, "sent": 0, "unlisted": 0, "ended": true}\n'
)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\x00",
        A_HEADER.replace(b"v1", b"v2"),
        A_HEADER.replace(b"JOB", b"another"),
        A_HEADER + b'{"state": "odd"}\n',
    ],
)
def test_what_is_no_part_is_named_and_passed_over(outbox, there, documents, job, bucket, data):
    outbox("submit", documents, "--job", job)
    key = f"{folder(job)}0123456789ab-000000.jsonl"
    bucket.put(key, data.replace(b"JOB", job.encode()))
    bucket.put(f"{folder(job)}notes.txt", b"mine")
    waited = there("wait", job, "--json")
    assert waited.exit_code == 0
    foreign = json.loads(waited.stdout)["foreign"]["objects"]
    assert {one["key"] for one in foreign} >= {key, f"{folder(job)}notes.txt"}
