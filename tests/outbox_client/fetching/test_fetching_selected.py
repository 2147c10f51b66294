"""Fetching a part of a job, and laying it out otherwise."""

import json

import pytest
from typer.testing import CliRunner

from outbox_client.commands.app import app
from outbox_client.fetching.fetch import Listed
from outbox_client.fetching.layout import FLAT, Layout, Selection
from tests.outbox_client.results import Results, files_below
from truss_outbox.contract.errors import InvalidInputError

PAGES = {"text.txt": b"text", "pages/1.png": b"one", "pages/2.png": b"two"}


@pytest.fixture
def results(tmp_path):
    results = Results(tmp_path / "bucket")
    results.commit("scans/a.pdf", PAGES, labels={"team": "x/y"})
    results.commit("b.pdf", PAGES, labels={"team": "z"})
    return results


@pytest.fixture
def fetched(results, tmp_path):
    def fetched(**selection):
        report = results.fetch(tmp_path / "out", selection=Selection(**selection))
        assert not report.problems
        return set(files_below(tmp_path / "out"))

    return fetched


def test_only_some_artifacts_come_and_the_manifest_only_when_named(fetched):
    assert fetched(only=["text.txt"]) == {"b.pdf/text.txt", "scans/a.pdf/text.txt"}
    assert fetched(only=["manifest.json", "pages/1*"]) == {
        f"{item}/{name}"
        for item in ("b.pdf", "scans/a.pdf")
        for name in ("text.txt", "pages/1.png", "manifest.json")
    }


def test_a_manifest_that_was_there_is_left_alone_when_only_files_are_asked_for(
    fetched, results, tmp_path
):
    fetched()
    (tmp_path / "out" / "b.pdf" / "text.txt").unlink()
    report = results.fetch(tmp_path / "out", selection=Selection(only=["text.txt"]))
    assert sum(one.downloaded for one in report.results) == 1
    assert (tmp_path / "out" / "b.pdf" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("selection", "items"),
    [
        ({"include": ["scans/*"]}, {"scans"}),
        ({"include": ["*.pdf"], "exclude": ["b*"]}, {"scans"}),
        ({"exclude": ["scans*"]}, {"b.pdf"}),
        ({"include": ["B.pdf"]}, set()),
    ],
)
def test_items_are_chosen_by_globs(fetched, selection, items):
    assert {name.split("/")[0] for name in fetched(**selection)} == items


def test_flat_puts_all_files_side_by_side(fetched):
    assert fetched(layout=FLAT) == {
        f"{item}.{name}"
        for item in ("b.pdf", "scans%2Fa.pdf")
        for name in ("text.txt", "pages.1.png", "pages.2.png", "manifest.json")
    }


def test_a_template_says_where_files_go_and_a_second_run_brings_nothing(results, tmp_path):
    layout = Layout.parse("by-team/{labels.team}/{item}.txt")
    selection = Selection(only=["text.txt"], layout=layout)
    first, second = (results.fetch(tmp_path / "out", selection=selection) for _ in range(2))
    assert files_below(tmp_path / "out") == {
        "by-team/x%2Fy/scans%2Fa.pdf.txt": b"text",
        "by-team/z/b.pdf.txt": b"text",
    }
    assert [one.downloaded for one in (*first.results, *second.results)] == [1, 1, 0, 0]


def test_two_files_in_one_place_are_refused_instead_of_overwritten(results, tmp_path):
    report = results.fetch(
        tmp_path / "out", selection=Selection(only=["text.txt"], layout=Layout.parse("{job}.txt"))
    )
    (problem,) = report.problems
    assert problem.code == "UNSAFE_PATH"
    assert files_below(tmp_path / "out") == {"J.txt": b"text"}
    report = results.fetch(tmp_path / "out2", selection=Selection(layout=Layout.parse("{item}")))
    assert {one.code for one in report.problems} == {"BAD_MANIFEST"}
    assert files_below(tmp_path / "out2") == {}


def test_a_result_without_the_label_is_reported(results, tmp_path):
    results.commit("c", {"text.txt": b"text"})
    layout = Layout.parse("{labels.team}/{item}/{artifact}")
    (problem,) = results.fetch(tmp_path / "out", selection=Selection(layout=layout)).problems
    assert "labels.team" in problem.problem


@pytest.mark.parametrize(
    "text", ["../{item}", "/x/{item}", "{item}/../x", "{when}", "{item!r}", "{", "a//b", "", "{}"]
)
def test_a_template_stays_below_the_directory_and_is_known(text):
    with pytest.raises(InvalidInputError, match="--output-template"):
        Layout.parse(text)


def test_the_command_takes_them_all(outbox, results, tmp_path):
    fetch = ("fetch", "J", "--to", tmp_path / "out")
    for arguments, code in {
        ("--only", "text.txt", "--include", "b*", "--flat"): 0,
        ("--only", "text.txt", "--exclude", "b*", "--output-template", "t/{item}"): 0,
        ("--flat", "--output-template", "{item}"): 2,
        ("--output-template", "{when}"): 2,
        ("--include", "nothing"): 1,
    }.items():
        result = outbox(*fetch, *arguments, OUTBOX_ROOT=results.root)
        assert result.exit_code == code, (arguments, result.output)
    assert set(files_below(tmp_path / "out")) == {"b.pdf.text.txt", "t/scans%2Fa.pdf"}


def test_the_manifests_to_fetch_may_be_given(results, tmp_path):
    listed = Listed.of(["manifests/job=J/b.pdf.json"])
    report = results.fetch(tmp_path / "out", listed=listed)
    assert [one.item for one in report.results] == ["b.pdf"]


@pytest.fixture
def fetch_keys(results, tmp_path):
    """The command, with these lines in the file of keys."""

    def fetch_keys(lines, **options):
        file = tmp_path / "keys.txt"
        file.write_bytes(lines)
        words = ["fetch", "J", "--to", str(tmp_path / "out"), "--keys-from", str(file), "--json"]
        environment = {"OUTBOX_ROOT": results.root, "OUTBOX_HOME": str(tmp_path / "home")}
        return CliRunner().invoke(app, words, env=environment, **options)

    return fetch_keys


def test_only_the_results_of_the_keys_come_each_once(fetch_keys, results, tmp_path):
    done = fetch_keys(b"job=J/b.pdf\n\njob=J/b.pdf\r\n")
    assert done.exit_code == 0, done.output
    assert [one["item"] for one in json.loads(done.stdout)["results"]] == ["b.pdf"]
    assert {name.split("/")[0] for name in files_below(tmp_path / "out")} == {"b.pdf"}
    # A folder is called as it is where all come.
    fetch_keys(b"job=J/scans%2Fa.pdf\n")
    assert (tmp_path / "out" / "scans" / "a.pdf" / "text.txt").exists()


def test_a_key_without_a_result_is_told_and_the_others_come(fetch_keys):
    done = fetch_keys(b"job=J/none\njob=J/b.pdf\nno key/../\n")
    assert done.exit_code == 1
    found = {one["key"]: one["code"] for one in json.loads(done.stdout)["results"]}
    assert found == {"job=J/none": "NOT_FOUND", "job=J/b.pdf": None, "no key/../": "UNSAFE_PATH"}


def test_a_file_of_keys_that_cannot_be_read_is_refused(fetch_keys, results, tmp_path):
    refused = fetch_keys(b"\xff\xfe")
    assert (refused.exit_code, "not UTF-8" in refused.output) == (2, True)
    environment = {"OUTBOX_ROOT": results.root}
    words = ["fetch", "J", "--to", str(tmp_path / "out"), "--keys-from"]
    missing = CliRunner().invoke(app, [*words, str(tmp_path / "none")], env=environment)
    assert (missing.exit_code, "cannot be read" in missing.output) == (2, True)
    stdin = CliRunner().invoke(app, [*words, "-"], env=environment, input="job=J/b.pdf\n")
    assert stdin.exit_code == 0, stdin.output
