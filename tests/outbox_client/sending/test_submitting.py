"""What is noted, refused and repeated when documents are sent."""

import json
from dataclasses import replace

import pytest

from outbox_client import Batch, Item, Naming, SendingLimits, State, find_items, resume, submit
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.errors import ServiceUnavailableError
from outbox_client.journal.belonging import JobPlace, journal_path
from outbox_client.sending.body import check_body, make_body
from outbox_client.sending.plan import planned
from outbox_client.sending.submit import accepted
from tests.end_to_end.s3_proxy import running_proxy
from tests.outbox_client.filling import fill_bucket, manifests
from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.keys import KeyTemplate
from truss_outbox.retrying import without_pauses


def plan(items, batch, *, naming):
    with planned(items, batch, naming=naming) as plan:
        return list(plan)


def test_a_folder_gives_its_visible_files_by_relative_path(documents):
    (documents / ".git").mkdir()
    (documents / ".git" / "config").write_bytes(b"x")
    assert [item.name for item in find_items([documents])] == ["a.txt", "b.txt", "more/c.txt"]


def test_a_file_named_outright_may_be_hidden(documents):
    assert [item.name for item in find_items([documents / ".hidden"])] == [".hidden"]


def test_a_folder_is_not_a_document(tmp_path):
    with pytest.raises(InvalidInputError, match="not a readable file"):
        Item.of_file(tmp_path, "x")


def test_a_large_plan_says_how_far_it_is(naming, journal):
    said = []
    items = (Item(name=f"{number}", inputs={"text": ""}) for number in range(2_500))
    batch = Batch(job=journal.job)
    with planned(items, batch, naming=naming, progress=said.append) as plan:
        plan.record(journal)
    assert [(event.phase, event.done, event.total) for event in said] == [
        ("read", 1_000, 0),
        ("read", 2_000, 0),
        ("plan", 1_000, 2_500),
        ("plan", 2_000, 2_500),
    ]


def test_two_items_cannot_share_a_key(documents):
    naming = Naming(template=KeyTemplate.parse("{job}/all"))
    with pytest.raises(InvalidInputError, match=r"use \{item\}"):
        plan(find_items([documents]), Batch(job="J"), naming=naming)


def test_a_label_the_template_needs_is_asked_for_before_anything_is_sent(documents):
    naming = Naming(template=KeyTemplate.parse("{labels.team}/{item}"))
    with pytest.raises(InvalidInputError, match=r"metadata\.labels\.team"):
        plan(find_items([documents]), Batch(job="J"), naming=naming)


def test_a_key_that_is_too_long_is_refused_with_its_file_before_anything_is_sent(documents):
    naming = Naming(template=KeyTemplate.parse("{labels.a}/{labels.b}/{labels.c}/{item}/{job}"))
    labels = dict.fromkeys("abc", "x" * 300)
    with pytest.raises(InvalidInputError, match=r"more than the 800 .*/a\.txt\)"):
        plan(find_items([documents]), Batch(job="J" * 99, labels=labels), naming=naming)


@pytest.mark.parametrize(
    "wrong",
    [
        {"priority": 3},
        {"priority": -1},
        {"max_time_in_queue_seconds": 9},
        {"max_time_in_queue_seconds": 259_201},
    ],
)
def test_a_batch_knows_the_services_bounds(wrong):
    with pytest.raises(InvalidInputError):
        Batch(job="J", **wrong)


def test_how_a_document_travels_does_not_depend_on_its_labels(tmp_path, bucket):
    for size in (180_000, 184_000, 190_000):
        (tmp_path / "x").write_bytes(b"x" * size)
        item = Item.of_file(tmp_path / "x", "x")
        digests = set()
        for labels in ({}, {"fill": "y" * 15_000}):
            batch = Batch(job="J", labels=labels)
            check_body(batch, item, batch.metadata(item))
            body = make_body(batch, item, bucket)
            digests.add(body.digest)
            assert len(json.dumps(body.content, separators=(",", ":"))) <= 262_144
        assert len(digests) == 1


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("metadata: takes 16", {"labels": {"fill": "y" * 16_000}}),
        ("metadata: cannot be set", {"inputs": {"metadata": {}}}),
        ("model_input: holds NaN", {"inputs": {"n": float("nan")}}),
        ("model_input: holds .* surrogate", {"inputs": {"n": "\ud800"}}),
    ],
)
def test_what_no_request_can_have_is_named_with_its_place(said, values):
    naming = Naming(template=KeyTemplate.parse("job={job}/{item}"))
    items = [Item(name="x", place="line 7")]
    with (
        pytest.raises(InvalidInputError, match=rf"{said}.* \(line 7\)"),
        planned(items, Batch(job="J", **values), naming=naming),
    ):
        pass


def test_what_was_sent_is_in_the_journal(documents, deployment, journal, service, time):
    items = find_items([documents])
    submission = submit(
        items, Batch(job=journal.job), deployment=deployment, journal=journal, clock=time.clock
    )
    entries = {entry.item: entry for entry in journal.entries()}
    assert entries.keys() == {"a.txt", "b.txt", "more/c.txt"}
    assert submission.sent == 3
    for entry in accepted(journal, submission):
        assert entry.state is State.SENT
        assert entry.key == f"job={journal.job}/{entry.item.replace('/', '%2F')}"
        assert entry.request_id in service.bodies
        assert entry.submitted_at == time.now
        assert entry.place == str(documents / entry.item)
        assert not entry.existed


def test_a_service_that_goes_away_leaves_a_journal_to_go_on_with(
    documents, deployment, journal, service, time, monkeypatch
):
    def gone(body):
        raise ServiceUnavailableError("the service has a fault (HTTP 503)", status=503)

    items = find_items([documents])
    batch = Batch(job=journal.job)
    with monkeypatch.context() as patched:
        patched.setattr(service, "submit", gone)
        with pytest.raises(ServiceUnavailableError) as caught:
            submit(
                items,
                batch,
                deployment=deployment,
                journal=journal,
                clock=time.clock,
                limits=SendingLimits(give_up_after=60),
            )
    note = f"0 of 3 were sent; `outbox resume {journal.job}` goes on"
    assert caught.value.__notes__ == [note]
    assert {entry.state for entry in journal.entries()} <= {State.SENDING, State.PLANNED}

    assert resume(journal, deployment=deployment).sent == 3
    assert {entry.state for entry in journal.entries()} == {State.SENT}
    assert len(service.bodies) == 3


@pytest.mark.parametrize(("asked", "waited"), [(17, 17), (100_000, 120)])
def test_what_the_service_asks_for_is_waited_and_no_more_than_two_minutes(
    asked, waited, documents, deployment, journal, service, time, monkeypatch
):
    submit_now, busy = (
        service.submit,
        [ServiceUnavailableError("slower", status=429, retry_after_seconds=asked)],
    )

    def submit_later(body):
        if busy:
            raise busy.pop()
        return submit_now(body)

    monkeypatch.setattr(service, "submit", submit_later)
    (item, *_) = find_items([documents])
    sent = submit(
        [item], Batch(job=journal.job), deployment=deployment, journal=journal, clock=time.clock
    )
    assert sent.sent == 1
    assert waited <= sum(time.slept) < waited + 10


def test_contact_is_sought_for_two_minutes(documents, deployment, journal, service, time):
    began, asked = time.now, service.queue_status

    def later():
        if time.now - began < 90:
            raise ServiceUnavailableError("the service has a fault (HTTP 503)", status=503)
        return asked()

    service.queue_status = later
    with without_pauses(tries=None):
        sent = submit(
            find_items([documents]),
            Batch(job=journal.job),
            deployment=deployment,
            journal=journal,
            clock=time.clock,
        )
    assert sent.sent == 3


def test_a_file_that_went_away_meanwhile_is_this_items_failure(
    documents, deployment, journal, service
):
    items = find_items([documents])

    def delete_one(event):
        (documents / "a.txt").unlink(missing_ok=True)

    submission = submit(
        items,
        Batch(job=journal.job),
        deployment=deployment,
        journal=journal,
        progress=delete_one,
    )
    assert [receipt.item for receipt in submission.refused] == ["a.txt"]
    assert submission.sent == 2
    states = {entry.item: entry.state for entry in journal.entries()}
    assert states["a.txt"] is State.FAILED


@pytest.mark.parametrize("job", ["../../x", "", "x" * 300, "😀", "a/b\n"])
def test_a_journals_file_stays_in_its_folder(tmp_path, job):
    path = journal_path(tmp_path, JobPlace(job=job, root="s3://b"))
    assert path.resolve().parent == tmp_path / "jobs"
    assert len(path.name) < 140


def test_jobs_differing_in_case_have_journals_differing_in_more(tmp_path):
    names = {
        journal_path(tmp_path, JobPlace(job=job, root="s3://b")).name.lower() for job in ("a", "A")
    }
    assert len(names) == 2


def test_what_holds_a_result_already_is_looked_up_along_the_way(
    journal, deployment, seaweedfs, root, bucket, service
):
    """The first request of a large job goes after one call: not all its results are listed."""
    names = [f"{number:04d}" for number in range(1_100)]
    fill_bucket(bucket, manifests(journal, names[::10]))
    with running_proxy(seaweedfs.endpoint_url) as door:

        def listings():
            return [call for call in door.calls if "list-type" in call]

        def submit_one(body):
            before_each.append(len(listings()))
            return body["model_input"]["metadata"]["item"]

        before_each, service.submit = [], submit_one
        through = replace(deployment, bucket=open_bucket(root, endpoint_url=door.url))
        items = [Item(name=name, inputs={"text": name}) for name in names]
        limits, batch = SendingLimits(submits_per_second=2_000), Batch(job=journal.job)
        submit(items, batch, deployment=through, journal=journal, limits=limits)
        assert min(before_each) == 1
        assert len(listings()) == 3  # sixty-four items, then a thousand at a time
    existed = [entry.item for entry in journal.entries() if entry.existed]
    assert existed == names[::10]
