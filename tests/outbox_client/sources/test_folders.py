"""Folders as they are: links, names of any bytes and any length, and what is no readable file."""

import json
import os
import socket
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from outbox_client import Item, Reading, find_items
from truss_outbox.contract.errors import InvalidInputError


def names(*sources, **reading):
    return [item.name for item in find_items(sources, Reading(**reading))]


def test_a_linked_folder_is_followed_and_one_that_leads_back_is_not(
    documents, tmp_path, monkeypatch
):
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep" / "d.txt").write_bytes(b"delta")
    (documents / "link").symlink_to(tmp_path / "elsewhere")
    (documents / "more" / "loop").symlink_to(documents)
    (documents / "self").symlink_to(".")
    (tmp_path / "elsewhere" / "back").symlink_to(documents)
    found = ["a.txt", "b.txt", "link/deep/d.txt", "more/c.txt"]
    assert names(documents) == found
    assert names(f"{documents}/**/*.txt") == found
    monkeypatch.chdir(documents)
    assert names(".") == names("**") == found
    assert names("*/*.txt", "*/*/*.txt") == ["more/c.txt", "link/deep/d.txt"]
    assert names(".hid*") == [".hidden"]


@pytest.fixture
def spoilt(documents: Path, monkeypatch) -> dict[str, str]:
    """The documents among what is none; why, by name."""
    (documents / "broken").symlink_to("nowhere")
    (documents / "circle").symlink_to("circle")
    os.mkfifo(documents / "more" / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as one:
        monkeypatch.chdir(documents)  # an address has a hundred bytes
        one.bind("socket")
    return {
        "broken": "is not a readable file: it is a broken link (No such file or directory)",
        "circle": "is not a readable file: it is a broken link (Too many levels of symbolic links)",
        "more/pipe.txt": "is not a readable file: it is a FIFO",
        "socket": "is not a readable file: it is a socket",
    }


def test_all_that_is_no_file_is_told_together_before_anything_is_sent(
    outbox, documents, spoilt, job, service, tmp_path
):
    run = ("run", documents, "--job", job, "--to", tmp_path / "out")
    for command in (("submit", documents, "--job", job), (*run[:2], *run[2:])):
        result = outbox(*command)
        assert (result.exit_code, result.stdout) == (2, "")
        for name, why in spoilt.items():
            assert f"{documents}/{name} {why}" in result.stderr
        assert "--skip-unreadable sends the others" in result.stderr
    assert outbox("submit", documents, "--job", job, "--dry-run").exit_code == 2
    assert service.bodies == {}


def test_what_is_skipped_is_named_and_the_rest_is_sent(
    outbox, documents, spoilt, job, service, tmp_path
):
    options = ("--job", job, "--skip-unreadable")
    result = outbox("run", documents, *options, "--to", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert f"job {job}: 3 succeeded" in result.stdout
    for name, why in spoilt.items():
        assert f"read: left out: {documents}/{name} {why}" in result.stderr
    told = outbox("submit", documents, *options, "--dry-run", "--json").stderr.splitlines()
    events = [json.loads(line) for line in told]
    assert {event["event"] for event in events} == {"note"}
    assert len(events) == len(spoilt)


def test_a_pattern_and_a_file_given_outright_are_treated_alike(documents, spoilt):
    with pytest.raises(InvalidInputError, match=r"broken link.*; .*it is a FIFO"):
        names(documents / "a.txt", documents / "broken", f"{documents}/more/*")
    left_out = []
    found = names(documents / "broken", f"{documents}/**", skip=left_out.append)
    assert found == ["a.txt", "b.txt", "more/c.txt"]
    assert len(left_out) == 5
    for name in ("nothing", "x" * 5_000, "a\0"):
        with pytest.raises(InvalidInputError, match="does not exist"):
            names(documents / "a.txt", documents / name, skip=left_out.append)


def test_rows_whose_files_are_missing_are_told_together_or_left_out(documents, spoilt):
    rows = [{"item": path, "image": {"path": path}} for path in ("a.txt", "broken", "x", "b.txt")]
    table = documents / "rows.jsonl"
    table.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InvalidInputError, match=r"row 2: image: broken .*; .*row 3: image: x is"):
        names(table)
    left_out = []
    assert names(table, skip=left_out.append) == ["a.txt", "b.txt"]
    assert len(left_out) == 2


def test_of_many_the_first_are_named_and_the_others_counted(tmp_path):
    for number in range(100):
        (tmp_path / f"{number:03}").symlink_to("nowhere")
    with pytest.raises(InvalidInputError, match="and 90 more") as caught:
        names(tmp_path)
    assert str(caught.value).count("broken link") == 10


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_one_may_not_read_is_told_by_its_reason(documents):
    (documents / "a.txt").chmod(0)
    (documents / "more").chmod(0)
    with pytest.raises(InvalidInputError, match=r"a\.txt .*Permission.*more cannot .*Permission"):
        names(documents)
    (documents / "more").chmod(0o700)


NOT_UTF8 = [b"caf\xe9.txt", b"100%\xff", b"\xe6\x97 \xe6\x97\xa5", b"sub\xfe/x.txt"]


@pytest.mark.parametrize("name", NOT_UTF8)
def test_a_name_that_is_not_utf8_is_escaped_so_that_it_can_be_found_again(tmp_path, name):
    path = Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/" + name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    (item,) = find_items([tmp_path / "in"])
    assert unquote_to_bytes(item.name) == name
    item.name.encode()
    item.place.encode()


def test_such_files_are_sent_among_the_others_and_come_back(
    outbox, documents, job, tmp_path, service
):
    for name in NOT_UTF8[:3]:
        Path(os.fsdecode(os.fsencode(documents) + b"/" + name)).write_bytes(name)
    result = outbox("run", documents, "--job", job, "--to", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "caf%25E9.txt" / "copy.bin").read_bytes() == NOT_UTF8[0]
    left = Path(os.fsdecode(os.fsencode(documents) + b"/gone\xe9"))
    left.symlink_to("nowhere")
    told = outbox("submit", documents, "--job", job)
    assert (told.exit_code, "gone\\xe9 is not a readable file" in told.stderr) == (2, True)


def test_a_valid_name_is_never_changed():
    for name in ("caf%E9.txt", "100%.txt", "日本.png", "é"):
        assert Item.of_file(Path(__file__), name).name == name


def test_a_folder_of_long_names_is_sent_and_comes_back_by_its_names(
    outbox, documents, job, tmp_path, bucket
):
    long = ["日" * 28, "é" * 100 + ".pdf", "/".join(["フォルダ" * 8] * 3) + "/x.png"]
    for name in long:
        (documents / name).parent.mkdir(parents=True, exist_ok=True)
        (documents / name).write_bytes(name.encode())
    result = outbox("run", documents, "--job", job, "--to", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    for name in long:
        assert (tmp_path / "out" / name / "copy.bin").read_bytes() == name.encode()
    items = {one["item"] for one in json.loads(result.stdout)["results"]}
    assert items >= set(long), "the manifest has the whole name"
    again = outbox("fetch", job, "--to", tmp_path / "flat", "--flat", "--include", "日*")
    assert again.exit_code == 0, again.output
