"""Submit, wait, fetch, on a real bucket."""

import pytest

from outbox_client import Batch, Item, State, fetch, find_items, submit, wait

AWKWARD = [
    "../../x",
    "..",
    ".",
    "a/b",
    "/",
    "new\nline",
    "😀 smile.pdf",
    "%2F",
    "%",
    " ",
    "ends with space ",
    "tab\there",
    "a",
    "A",
    "ä",
    "a\u0308",
    ".part",
    "x" * 200,
]


@pytest.fixture
def run(deployment, journal, time, tmp_path):
    """Submit, wait and fetch items; returns the report and the entries."""

    def run(items, batch=None):
        batch = batch or Batch(job=journal.job)
        submit(items, batch, deployment=deployment, journal=journal, clock=time.clock)
        entries = wait(journal, deployment=deployment, timeout_seconds=60, clock=time.clock)
        report = fetch(
            journal.job,
            tmp_path / "out",
            bucket=deployment.bucket,
            naming=deployment.naming,
            digest_of={entry.key: entry.digest for entry in entries}.get,
        )
        return entries, report

    return run


def test_every_document_of_a_folder_comes_back(run, documents, tmp_path):
    entries, report = run(find_items([documents]))

    assert {entry.item: entry.state for entry in entries} == {
        "a.txt": State.SUCCEEDED,
        "b.txt": State.SUCCEEDED,
        "more/c.txt": State.SUCCEEDED,
    }
    assert not report.problems
    assert (tmp_path / "out" / "more/c.txt" / "copy.bin").read_bytes() == b"gamma"
    assert (tmp_path / "out" / "more/c.txt" / "pages" / "size.txt").read_text() == "5"
    assert (tmp_path / "out" / "more/c.txt" / "manifest.json").is_file()


def test_awkward_names_keep_apart_and_are_found_by_their_own_name(run, tmp_path):
    source = tmp_path / "sources"
    source.mkdir()
    items = []
    for number, name in enumerate(AWKWARD):
        (source / str(number)).write_bytes(name.encode())
        items.append(Item.of_file(source / str(number), name))

    entries, report = run(items)

    assert all(entry.state is State.SUCCEEDED for entry in entries)
    by_item = {result.item: result for result in report.results}
    assert by_item.keys() == set(AWKWARD)
    for name in AWKWARD:
        assert (by_item[name].folder / "copy.bin").read_bytes() == name.encode()
        assert by_item[name].folder.resolve().is_relative_to((tmp_path / "out").resolve())
    folders = [result.folder for result in report.results]
    assert not [one for one in folders for other in folders if one in other.parents]


@pytest.mark.parametrize("name", AWKWARD)
def test_a_job_may_have_an_awkward_name_too(name, deployment, documents, tmp_path, root, time):
    from outbox_client import Journal

    with Journal.opened(tmp_path / "home", job=name, root=root, create=True) as journal:
        items = find_items([documents / "a.txt"])
        labels = {"label": name}
        submit(items, Batch(job=name, labels=labels), deployment=deployment, journal=journal)
        (entry,) = wait(journal, deployment=deployment, timeout_seconds=60, clock=time.clock)
    report = fetch(name, tmp_path / "out", bucket=deployment.bucket, naming=deployment.naming)

    assert entry.state is State.SUCCEEDED
    assert [result.folder for result in report.results] == [tmp_path / "out" / "a.txt"]


def test_the_same_job_again_runs_no_inference_and_downloads_nothing(run, documents, service):
    run(find_items([documents]))
    entries, report = run(find_items([documents]))

    assert service.inferences == 3
    assert all(entry.state is State.SUCCEEDED for entry in entries)
    assert sum(result.downloaded for result in report.results) == 0


def test_a_document_over_the_limit_goes_through_the_bucket(run, service, bucket, tmp_path):
    (tmp_path / "fits").write_bytes(b"x" * 180_000)
    (tmp_path / "large").write_bytes(b"y" * 200_000)
    (tmp_path / "huge").write_bytes(b"z" * (9 << 20))
    (tmp_path / "empty").write_bytes(b"")
    names = ("fits", "large", "huge", "empty")
    _, report = run([Item.of_file(tmp_path / name, name) for name in names])

    documents = {
        body["model_input"]["metadata"]["item"]: body["model_input"]["document"]
        for body in service.bodies.values()
    }
    assert {name: list(document) for name, document in documents.items()} == {
        "fits": ["base64"],
        "large": ["input"],
        "huge": ["input"],
        "empty": ["base64"],
    }
    assert sorted(bucket.keys("inputs/")) == sorted(
        documents[name]["input"] for name in ("large", "huge")
    )
    assert not report.problems
    assert (tmp_path / "out" / "huge" / "copy.bin").stat().st_size == 9 << 20


def test_the_same_key_with_another_document_is_a_conflict(run, documents, tmp_path):
    run(find_items([documents]))
    (documents / "a.txt").write_bytes(b"changed")

    entries, report = run(find_items([documents]))

    states = {entry.item: (entry.state, entry.code) for entry in entries}
    assert states["a.txt"] == (State.FAILED, "KEY_CONFLICT")
    assert states["b.txt"] == (State.SUCCEEDED, None)
    assert [(problem.item, problem.code) for problem in report.problems] == [
        ("a.txt", "KEY_CONFLICT")
    ]
    assert (tmp_path / "out" / "a.txt" / "copy.bin").read_bytes() == b"alpha"
