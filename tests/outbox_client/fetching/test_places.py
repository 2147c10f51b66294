"""The folders that results get: as their items are called, apart, and inside the target."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox_client import Naming
from outbox_client.errors import UnsafePathError
from outbox_client.fetching.layout import Selection, TakenPaths
from outbox_client.fetching.one_result import Fetched
from outbox_client.fetching.places import Places
from tests.outbox_client.committed import a_manifest
from tests.outbox_client.results import JOB, Results, files_below
from truss_outbox.contract.keys import KeyFields, KeyTemplate
from truss_outbox.contract.metadata import RequestMetadata

TEXT = {"text.txt": b"text"}


@pytest.fixture
def results(tmp_path) -> Results:
    return Results(tmp_path / "bucket")


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def texts_below(out: Path) -> dict[str, bytes]:
    return {name: data for name, data in files_below(out).items() if "manifest" not in name}


def fetched(results: Results, out: Path, **options):
    report = results.fetch(out, **options)
    return {one.item: one for one in report.results}


def test_items_of_subfolders_arrive_in_folders_of_the_same_names(results, out):
    for item in ("sub folder/a.png", "sub folder/b, c+d.png", "フォルダ/日本.png", "x"):
        results.commit(item, {"text.txt": item.encode(), "pages/1.png": b"p"})
    done = fetched(results, out)
    for item, one in done.items():
        assert one.folder == out / item
        assert (out / item / "text.txt").read_bytes() == item.encode()
        assert (out / item / "manifest.json").is_file()


def test_of_a_key_with_hash2_the_folder_has_it_too(tmp_path):
    template = KeyTemplate.parse("job={job}/{hash2}/{item}")
    fields = KeyFields(
        metadata=RequestMetadata(job="J", item="sub folder/a.png"), request_id="R", model="M"
    )
    key = template.render(fields)
    manifest = a_manifest("J", "sub folder/a.png", key=key)
    places = Places(to=tmp_path, prefix="job=J/", template=template, is_result=lambda _: False)
    below = key.removeprefix("job=J/")
    digits = below[:2]
    assert places.folder(manifest, below=below) == f"{digits}/sub folder/a.png"
    assert places.folder_of_key(below) == f"{digits}/sub folder/a.png"


@pytest.mark.parametrize(
    ("item", "folder"),
    [
        ("../../x", "%2E%2E/%2E%2E/x"),
        ("/etc/passwd", "%FF/etc/passwd"),
        ("a//b/", "a/%FF/b/%FF"),
        ("..", "%2E%2E"),
        (".hidden/.x", "%2Ehidden/%2Ex"),
        ("a\\..\\b", "a%5C..%5Cb"),
        ("C:/x", "C%3A/x"),
        ("a%2Fb", "a%252Fb"),
        ("nul.txt/COM1", "%6Eul.txt/%43OM1"),
        ("a./b /c", "a%2E/b%20/c"),
        ("x\n\x1b[2J\u202e", "x%0A%1B[2J%E2%80%AE"),
        (unicodedata.normalize("NFD", "é/ü x"), "e%CC%81/u%CC%88 x"),
        ("a~b", "a%7Eb"),
        ("", "%FF"),
    ],
)
def test_a_name_that_is_no_path_for_every_system_is_escaped(results, out, item, folder):
    results.commit(item, TEXT)
    (one,) = fetched(results, out).values()
    assert (one.problem, one.folder) == (None, out / folder)
    assert list(texts_below(out)) == [f"{folder}/text.txt"]


def test_a_name_shortened_in_the_key_is_whole_on_the_disk(results, out):
    deep = "/".join(["é" * 60] * 4)
    key = results.commit(deep, TEXT)
    assert len(key) < 260
    results.commit("é" * 200, TEXT)
    done = fetched(results, out)
    assert done[deep].folder == out / deep
    assert len(done["é" * 200].folder.name.encode()) <= 250, "as a file's name may have no more"
    assert done["é" * 200].folder.name.startswith("éééé")


def test_an_item_longer_than_any_path_has_the_folder_of_its_key(results, out):
    key = results.commit("a/" * 3_000, TEXT)
    (one,) = fetched(results, out).values()
    assert (one.problem, one.folder) == (None, out / key.removeprefix(f"job={JOB}/"))


def test_a_path_too_long_for_the_system_is_told_and_keeps_no_other_back(results, out):
    deep = out / "/".join(["x" * 250] * 15)
    results.commit("a/" + "b" * 200 + "/" + "c" * 200, TEXT)
    results.commit("b", TEXT)
    done = results.fetch(deep)
    assert [one.code for one in done.results] == ["LOCAL_FILE_ERROR", None]
    assert "--output-template" in done.problems[0].problem


def test_an_item_never_lies_among_another_items_artifacts(results, out):
    results.commit("a", {"b": b"a's", "c/text.txt": b"a's"})
    results.commit("a/b", {"text.txt": b"b's"})
    results.commit("a/c", {"text.txt": b"c's"})
    results.commit("a/c/d", {"text.txt": b"d's"})
    expected = {
        "a/b": b"a's",
        "a/c/text.txt": b"a's",
        "a%2Fb/text.txt": b"b's",
        "a%2Fc/text.txt": b"c's",
        "a%2Fc%2Fd/text.txt": b"d's",
    }
    for _ in range(2):
        assert not [one.problem for one in fetched(results, out).values() if one.problem]
        assert texts_below(out) == expected


@pytest.mark.parametrize("first", ["a", "a/b"])
def test_nor_where_the_other_was_fetched_before(results, out, first):
    artifacts = {"b/text.txt": b"a's"}
    results.commit(first, artifacts if first == "a" else {"text.txt": b"b's"})
    fetched(results, out)
    results.commit("a/b" if first == "a" else "a", TEXT if first == "a" else artifacts)
    before = texts_below(out)
    done = fetched(results, out)
    assert {name: texts_below(out)[name] for name in before} == before
    if first == "a":
        assert done["a/b"].folder == out / "a%2Fb"
    else:
        assert done["a"].code == "UNSAFE_PATH"
        assert "the folder a/b has another result" in done["a"].problem


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a")])
def test_nor_where_the_other_is_under_way(results, out, monkeypatch, names):
    """Keys of two templates: by one alone, one result's folder is known from the other's key."""
    for name in (*names, "apart"):
        manifest = a_manifest(JOB, name, key=f"job={JOB}/{name}", artifacts=[])
        results.put(f"manifests/{manifest.key}.json", manifest.to_bytes())

    def at_once(tasks, **_) -> list[Fetched | None]:
        """No task's call is made before all tasks have come to theirs."""
        answers, done = [(task, None) for task in tasks], []
        while answers:
            calls = []
            for task, answer in answers:
                try:
                    calls.append((task, task.send(answer)))
                except StopIteration as end:
                    done.append(end.value)
            answers = [(task, call()) for task, call in calls]
        return done

    monkeypatch.setattr(results.bucket, "in_steps", at_once)
    first = fetched(results, out)
    refused = [name for name, one in first.items() if one.problem]
    again = fetched(results, out)

    assert len(refused) == 1
    assert first[refused[0]].code == "UNSAFE_PATH"
    assert sorted(path.name for path in out.rglob("manifest.json")) == ["manifest.json"] * 2
    assert [name for name, one in again.items() if one.problem] == refused


def test_the_folder_of_another_item_is_left_as_it_is_and_of_another_job_replaced(results, out):
    results.commit("a", TEXT)
    fetched(results, out)
    (out / "a" / "manifest.json").write_bytes(a_manifest("another", "a").to_bytes())
    assert fetched(results, out)["a"].problem is None
    # As an earlier fetch leaves it on a disk that takes `A` for `a`.
    (out / "a" / "manifest.json").write_bytes(a_manifest(JOB, "A").to_bytes())
    before = files_below(out)
    (one,) = fetched(results, out).values()
    assert "the folder a has another result; fetch to another directory" in one.problem
    assert files_below(out) == before


def test_a_target_of_an_earlier_version_is_used_as_it_is(results, out):
    results.commit("sub folder/a.png", TEXT)
    results.fetch(out, selection=Selection(layout=by_key()))
    assert list(files_below(out)) == ["sub%20folder%2Fa.png/text.txt"]
    results.commit("sub folder/b.png", TEXT)
    done = fetched(results, out)
    assert done["sub folder/a.png"].folder == out / "sub%20folder%2Fa.png"
    assert done["sub folder/a.png"].downloaded == 0
    assert done["sub folder/b.png"].folder == out / "sub folder/b.png"


def by_key():
    from outbox_client.fetching.layout import Layout

    return Layout.parse("{key}/text.txt")


def test_only_the_last_segment_of_a_key_has_folders(tmp_path):
    template = KeyTemplate.parse("{labels.team}/{item}")
    places = {}
    for team, item in (("x/y", "z"), ("x", "y/z"), ("x y", "z"), ("x%20y", "z")):
        metadata = RequestMetadata(job="J", item=item, labels={"team": team})
        key = template.render(KeyFields(metadata=metadata, request_id="r", model="m"))
        manifest = a_manifest("J", item, key=key, labels={"team": team})
        where = Places(to=tmp_path, prefix="", template=template, is_result=lambda _: False)
        places[team, item] = where.folder(manifest, below=key)
    assert places == {
        ("x/y", "z"): "x%2Fy/z",
        ("x", "y/z"): "x/y/z",
        ("x y", "z"): "x y/z",
        ("x%20y", "z"): "x%2520y/z",
    }


ITEMS = st.lists(
    st.text(st.sampled_from("aA/.%~é\u0301 :\\日")) | st.text(max_size=5), max_size=8, unique=True
)


@settings(max_examples=100, deadline=None)
@given(ITEMS, st.sampled_from(["job={job}/{item}", "{job}={item}", "{item}/{request_id}"]))
def test_no_two_results_share_a_folder_and_none_leaves_the_target(items, template):
    naming = Naming(template=KeyTemplate.parse(template))
    manifests = []
    for item in items:
        metadata = RequestMetadata(job=JOB, item=item)
        key = naming.key(metadata, request_id="r")
        manifests.append(a_manifest(JOB, item, key=key, request_id="r"))
    keys = {one.key for one in manifests}
    prefix = naming.prefix(JOB)
    where = Places(
        to=Path("/nowhere"),
        prefix=prefix,
        template=naming.template,
        is_result=keys.__contains__,
    )
    folders = [where.folder(one, below=one.key.removeprefix(prefix)) for one in manifests]
    taken = TakenPaths(ignores_case=False)
    for folder, one in zip(folders, manifests, strict=True):
        parts = folder.split("/")
        assert not [part for part in parts if part in {"", ".", ".."} or part[0] == "."]
        assert all(len(part.encode()) <= 250 for part in parts)
        taken.take(folder, key=one.key)


def test_two_results_cannot_take_one_path_or_one_the_others_folder():
    taken = TakenPaths(ignores_case=True)
    taken.take("a/b", key="1")
    taken.take("a/c", key="2")
    taken.take("a/b", key="1")
    for path in ("A/B", "a/b/c", "a"):
        with pytest.raises(UnsafePathError, match="is the place of"):
            taken.take(path, key="3")
