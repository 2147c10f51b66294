"""A job is followed, sent again and accounted for on a machine that did not send it."""

import json

from outbox_client.journal.states import State
from truss_outbox.contract.keys import escape


def fail_all(service, job):
    """Every request that is queued fails, and the next ones do not."""
    for request_id in list(service.bodies):
        metadata = service.bodies[request_id]["model_input"]["metadata"]
        key = f"job={job}/{escape(metadata['item'])}"
        service.fail(request_id, key, code="OVERLOADED", message="later", retryable=True)
    service.held = False


def test_another_machine_waits_for_a_job_fetches_it_and_accounts_for_it(
    outbox, there, documents, job, tmp_path, bucket, counts_of
):
    assert outbox("submit", documents, "--job", job).exit_code == 0
    waited = there("wait", job, "--json")
    assert (waited.exit_code, counts_of(waited)) == (0, {"succeeded": 3})
    assert json.loads(bucket.get(f"jobs/{job}.json"))["counts"]["succeeded"] == 3
    assert there("fetch", job, "--to", tmp_path / "out").exit_code == 0
    assert there("report", job, "--to", tmp_path / "report.html").exit_code == 0
    assert job in there("jobs").stdout
    assert counts_of(outbox("wait", job, "--json")) == {"succeeded": 3}


def test_what_the_service_refused_is_in_the_account_of_another_machine(
    outbox, there, documents, job, faults, counts_of
):
    faults.submits.append((400, '{"error": "not this one"}'))
    outbox("submit", documents, "--job", job)
    here, elsewhere = outbox("wait", job, "--json"), there("wait", job, "--json")
    assert (elsewhere.exit_code, counts_of(elsewhere)) == (1, {"succeeded": 2, "failed": 1})
    (refused,) = json.loads(elsewhere.stdout)["not_succeeded"]
    assert (refused["code"], refused["attempts"]) == ("REFUSED", 1)
    assert json.loads(here.stdout)["not_succeeded"] == [refused]


def test_another_machine_sends_again_what_failed_where_the_bucket_has_its_input(
    outbox, there, job, tmp_path, service, counts_of
):
    rows = tmp_path / "rows.jsonl"
    document = {"base64": "eHh4"}
    rows.write_text("\n".join(json.dumps({"item": n, "document": document}) for n in "ab"))
    service.held = True
    outbox("submit", rows, "--job", job, "--label", "team=7", "--set", "dpi=200")
    key = f"job={job}/a"
    request_id = next(iter(service.bodies))
    service.fail(request_id, key, code="OVERLOADED", message="later", retryable=True)
    service.held = False
    service.run_queued()
    assert there("wait", job).exit_code == 1
    assert there("retry", job).exit_code == 0
    assert counts_of(there("wait", job, "--json")) == {"succeeded": 2}
    assert counts_of(outbox("wait", job, "--json")) == {"succeeded": 2}
    first, *_, last = [body["model_input"] for body in service.bodies.values()]
    assert {first["dpi"], last["dpi"]} == {200}
    assert last["metadata"]["labels"] == {"team": "7"}


def test_a_file_of_another_machine_is_named_and_the_others_are_sent(
    outbox, there, documents, job, service, counts_of
):
    service.held = True
    outbox("submit", documents, "--job", job)
    fail_all(service, job)
    assert counts_of(there("wait", job, "--json")) == {"failed": 3}
    (documents / "a.txt").unlink()
    (documents / "b.txt").write_bytes(b"another one")
    retried = there("retry", job, "--json")
    assert retried.exit_code == 1
    refused = {one["item"]: one["problem"] for one in json.loads(retried.stdout)["refused"]}
    assert set(refused) == {"a.txt", "b.txt"}
    assert "was sent from another machine" in refused["a.txt"]
    assert counts_of(there("wait", job, "--json")) == {"failed": 2, "succeeded": 1}


def test_what_was_staged_can_be_sent_from_any_machine(
    outbox, there, documents, job, service, counts_of
):
    service.held = True
    outbox("submit", documents, "--job", job, "--stage")
    fail_all(service, job)
    for path in documents.rglob("*.txt"):
        path.unlink()
    assert counts_of(there("wait", job, "--json")) == {"failed": 3}
    assert there("retry", job).exit_code == 0
    assert counts_of(there("wait", job, "--json")) == {"succeeded": 3}


def test_another_machine_cancels_and_both_know_it(
    outbox, there, documents, job, service, counts_of
):
    service.held = True
    outbox("submit", documents, "--job", job)
    canceled = json.loads(there("cancel", job, "--json").stdout)["canceled"]
    assert len(canceled) == 3
    service.statuses.clear()  # the service forgets after an hour
    assert counts_of(outbox("wait", job, "--json")) == {"canceled": 3}


def test_what_was_sent_under_ids_is_found_by_them(outbox, there, documents, job, counts_of):
    template = {"OUTBOX_KEY_TEMPLATE": "by-id/{request_id}"}
    outbox("submit", documents / "a.txt", "--job", job, **template)
    assert counts_of(there("status", job, "--json")) == {State.SENT: 1}


def test_a_job_that_nobody_sent_is_unknown_and_leaves_no_journal(there, job, tmp_path):
    result = there("wait", job)
    assert result.exit_code == 2
    assert "was not submitted" in result.stderr
    assert not list((tmp_path / "home-there").glob("jobs/*.sqlite3"))
