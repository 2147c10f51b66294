"""Whatever somebody puts into the bucket: it stays inside, is named, and the rest comes."""

import os

import pytest

from outbox_client.fetching.fetch import Listed
from tests.outbox_client.results import ATTEMPT, Results, artifact, files_below
from truss_outbox.contract.keys import key_of_manifest

GOOD = {"text.txt": b"good"}


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "bucket")


def test_every_hostile_manifest_is_named_by_its_key_and_the_rest_is_fetched(results, tmp_path):
    names = {
        "up": "../../etc/x",
        "absolute": "/etc/x",
        "drive": "C:\\x",
        "drive-slash": "C:/x",
        "nul": "a\0b",
        "long": "x" * 300,
        "reserved": "CON",
        "reserved-folder": "NUL/x",
        "reserved-suffix": "aux.txt",
        "dot": "x.",
        "hidden": ".ssh",
        "own": "manifest.json",
        "number": 5,
    }
    expected = {}
    for item, name in names.items():
        expected[results.commit(item, GOOD, artifacts=[artifact(name)])] = "BAD_MANIFEST"
    for item, changes in {
        "schema": {"schema": "outbox.manifest/v3"},
        "no-schema": {"schema": None},
        "schema-of-a-megabyte": {"schema": "x" * 1_000_000},
        "case": {"artifacts": [artifact("a/Text.txt"), artifact("a/text.TXT")]},
        "twice": {"artifacts": [artifact("text.txt"), artifact("text.txt")]},
        "elsewhere": {"key": "job=J/good"},
        "attempt": {"attempt": "../../.."},
        "surrogate": {"artifacts": [artifact("a\ud800")]},
        "labels": {"labels": {"a": {"b": "c"}}},
    }.items():
        expected[results.commit(item, GOOD, **changes)] = "BAD_MANIFEST"
    for item, data in {
        "not-json": b"{",
        "list": b"[]",
        "deep": b"[" * 100_000,
        "binary": bytes(range(256)),
        "lie": b'{"schema": NaN}',
    }.items():
        results.put(f"manifests/job=J/{item}.json", data)
        expected[f"job=J/{item}"] = "BAD_MANIFEST"
    for item, changes in {
        "hash": {"sha256": "0" * 64},
        "small": {"size": 3},
        "large": {"size": 5},
        "ten-gigabytes": {"size": 10 << 30},
        "nothing": {"size": 0},
    }.items():
        lie = artifact("text.txt", **changes)
        expected[results.commit(item, {"text.txt": b"data"}, artifacts=[lie])] = "CORRUPT_ARTIFACT"
    expected[results.commit("missing", {}, artifacts=[artifact("text.txt")])] = "NOT_FOUND"
    huge = results.put("manifests/job=J/huge.json", b"")
    os.truncate(huge, 100 << 20)
    expected["job=J/huge"] = "BAD_MANIFEST"
    results.commit("good", GOOD)
    results.commit("great", GOOD)

    report = results.fetch(tmp_path / "out" / "in")

    told = [*report.problems, *results.bucket.foreign]
    assert {key_of_manifest(one.key): one.code for one in told} == expected
    assert {one.code for one in report.problems} == {"CORRUPT_ARTIFACT", "NOT_FOUND"}
    assert not [one.problem for one in told if len(one.problem) > 300]
    assert not [one.problem for one in told if "\n" in one.problem]
    fetched = files_below(tmp_path / "out" / "in")
    assert {name for name in fetched if not name.startswith("good/")} == {
        "great/manifest.json",
        "great/text.txt",
    }
    assert fetched["good/text.txt"] == b"good"
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out" / "in"]


@pytest.mark.parametrize("key", [".hidden", "a\\..\\..\\b", "..%2Fx/.y"])
def test_a_key_that_no_template_makes_has_no_place_here(results, tmp_path, key):
    results.put(f"manifests/job=J/{key}.json", b"{}")
    assert not results.fetch(tmp_path / "out").results
    assert [one.key for one in results.bucket.foreign] == [f"manifests/job=J/{key}.json"]
    listed = Listed.of([f"manifests/job=J/{key}.json"])
    (problem,) = results.fetch(tmp_path / "out", listed=listed).problems
    assert (problem.key, problem.code) == (f"job=J/{key}", "UNSAFE_PATH")
    assert files_below(tmp_path / "out") == {}


def test_a_result_cannot_have_the_folder_of_another_on_a_disk_that_ignores_case():
    from outbox_client.errors import UnsafePathError
    from outbox_client.fetching.layout import TakenPaths

    strict, loose = TakenPaths(ignores_case=False), TakenPaths(ignores_case=True)
    for paths in (strict, loose):
        paths.take("Folder", key="A")
        paths.take("Folder", key="A")
    strict.take("folder", key="B")
    with pytest.raises(UnsafePathError, match="place of A"):
        loose.take("folder", key="B")


def test_an_artifact_is_only_ever_read_below_its_own_attempt(results, tmp_path):
    results.put("secret", b"data")
    results.commit("x", {}, artifacts=[artifact("text.txt", uri=f"{results.root}/secret")])
    (problem,) = results.fetch(tmp_path / "out").problems
    assert f"artifacts/job=J/x/{ATTEMPT}/text.txt" in problem.problem


def test_the_exit_code_says_so(outbox, results, tmp_path):
    lie = artifact("text.txt", sha256="0" * 64)
    bad = results.commit("bad", {"text.txt": b"data"}, artifacts=[lie])
    results.commit("good", GOOD)
    result = outbox("fetch", "J", "--to", tmp_path / "out", OUTBOX_ROOT=results.root)
    assert result.exit_code == 1
    assert bad in result.stdout
    assert "1 result(s)" in result.stdout
