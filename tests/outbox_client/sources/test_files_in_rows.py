"""Files of this machine that a row names, in any of its fields."""

import json
import os

import pytest

from outbox_client import Batch, Item, Reading, find_items
from outbox_client.sending.body import make_body
from truss_outbox.contract.errors import InvalidInputError

ROW = {
    "item": "x",
    "image": {"path": "a.png"},
    "pages": [{"path": "more/1.png"}, {"n": 0, "path": "as it is"}],
    "path": "as it is",
}
TWO_FILES = {"item": "x", "image": {"path": "a.png"}, "sound": {"path": "more/1.png"}}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "more").mkdir(parents=True)
    (tmp_path / "in" / "a.png").write_bytes(b"alpha")
    (tmp_path / "in" / "more" / "1.png").write_bytes(b"one")
    (tmp_path / "outside.png").write_bytes(b"secret")
    return tmp_path / "in"


def jsonl(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def csv(path):
    path.write_text("item,image.path,sound.path\nx,a.png,more/1.png\n")
    return path


def parquet(path):
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist([TWO_FILES]), path)
    return path


def input_of(item, bucket):
    content = dict(make_body(Batch(job="J"), item, bucket).content["model_input"])
    content.pop("metadata")
    return content


def test_a_row_of_any_format_has_files_in_several_fields(folder, memory_bucket):
    tables = [
        jsonl(folder / "rows.jsonl", TWO_FILES),
        csv(folder / "rows.csv"),
        parquet(folder / "rows.parquet"),
    ]
    for table in tables:
        (item,) = find_items([table])
        assert (item.name, item.size) == ("x", 8)
        assert input_of(item, memory_bucket) == {
            "image": {"base64": "YWxwaGE="},
            "sound": {"base64": "b25l"},
        }


def test_files_lie_in_lists_and_objects_and_all_else_stays(folder, memory_bucket):
    (item,) = find_items([jsonl(folder / "rows.jsonl", ROW)])
    assert input_of(item, memory_bucket) == {
        "image": {"base64": "YWxwaGE="},
        "pages": [{"base64": "b25l"}, {"n": 0, "path": "as it is"}],
        "path": "as it is",
    }


def test_what_a_row_says_of_a_files_hash_is_for_the_model_to_check(folder, memory_bucket):
    row = {"image": {"path": "a.png", "sha256": "0" * 64}, "sound": {"path": "a.png", "url": None}}
    (item,) = find_items([jsonl(folder / "rows.jsonl", row)])
    assert input_of(item, memory_bucket) == {
        "image": {"base64": "YWxwaGE=", "sha256": "0" * 64},
        "sound": {"base64": "YWxwaGE="},
    }


def test_a_csv_cell_that_names_a_file_is_text_whatever_it_looks_like(folder, memory_bucket):
    (folder / "7").write_bytes(b"bond")
    (folder / "rows.csv").write_text("image.path,path\n7,7\n")
    (item,) = find_items([folder / "rows.csv"])
    assert input_of(item, memory_bucket) == {"image": {"base64": "Ym9uZA=="}, "path": 7}


def test_rows_of_stdin_name_files_of_this_folder_or_of_the_one_that_is_given(
    folder, memory_bucket, monkeypatch
):
    rows = jsonl(folder.parent / "rows.jsonl", TWO_FILES)
    for here, base in ((folder, None), (folder.parent, folder)):
        monkeypatch.chdir(here)
        with rows.open("rb") as stdin:
            (item,) = find_items(["-"], Reading(stdin=stdin, base=base))
        assert input_of(item, memory_bucket)["image"] == {"base64": "YWxwaGE="}
    (item,) = find_items([rows], Reading(base=folder))
    assert item.size == 8


def test_a_row_without_a_name_is_called_by_its_content_wherever_its_files_are(folder):
    def name(path, row):
        (item,) = find_items([jsonl(path, row)])
        return item.name

    elsewhere = folder / "more"
    (elsewhere / "b.png").write_bytes(b"alpha")
    first = name(folder / "rows.jsonl", {"image": {"path": "a.png"}})
    assert name(elsewhere / "rows.jsonl", {"image": {"path": "b.png"}}) == first
    (folder / "a.png").write_bytes(b"another")
    assert name(folder / "rows.jsonl", {"image": {"path": "a.png"}}) != first


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("missing.png", "missing.png is not a readable file"),
        ("more", "more is not a readable file"),
        ("", " is not a readable file"),
        ("x" * 300, "is not a readable file"),
        ("a\0.png", "is not a readable file"),
        ("../outside.png", "../outside.png lies outside the folder of what names it"),
        ("/etc/passwd", "/etc/passwd lies outside .*; --base names another folder"),
        ("link.png", "link.png lies outside"),
    ],
)
def test_a_file_that_cannot_be_sent_is_told_by_row_and_field(folder, path, said):
    (folder / "link.png").symlink_to(folder.parent / "outside.png")
    row = {"pages": [{"path": "a.png"}, {"path": path}]}
    table = jsonl(folder / "rows.jsonl", {"n": 1}, row)
    with pytest.raises(InvalidInputError, match=rf"rows\.jsonl, row 2: pages\.1: .*{said}"):
        list(find_items([table]))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_told_by_row_and_field(folder):
    (folder / "a.png").chmod(0)
    with pytest.raises(InvalidInputError, match=r"row 1: image: a\.png is not a readable file"):
        list(find_items([jsonl(folder / "rows.jsonl", ROW)]))


def test_from_python_an_input_names_files_below_a_folder(folder, memory_bucket):
    item = Item.of_inputs({"image": {"path": "a.png"}}, "x", {"team": "red"}, folder=folder)
    assert (item.name, item.size, item.labels) == ("x", 5, {"team": "red"})
    assert input_of(item, memory_bucket) == {"image": {"base64": "YWxwaGE="}}
    with pytest.raises(InvalidInputError, match=r"image: \.\./outside\.png lies outside"):
        Item.of_inputs({"image": {"path": "../outside.png"}}, folder=folder)


def test_a_job_of_rows_is_refused_whole_before_anything_is_sent(outbox, folder, job, service):
    table = jsonl(folder / "rows.jsonl", ROW, {"image": {"path": "missing.png"}})
    result = outbox("submit", table, "--job", job)
    assert result.exit_code == 2
    assert "rows.jsonl, row 2: image: missing.png is not a readable file" in result.stderr
    assert service.bodies == {}


def test_a_field_is_named_for_files_and_objects(outbox, folder, root, bucket, job, service):
    bucket.create("inputs/incoming/b.png", b"beta")
    sources = (folder / "a.png", f"{root}/inputs/incoming/")
    assert outbox("submit", *sources, "--job", job, "--field", "image").exit_code == 0
    assert outbox("submit", folder / "a.png", "--job", f"{job}-2", OUTBOX_FIELD="image").stdout
    sent = [body["model_input"] for body in service.bodies.values()]
    assert sorted(json.dumps(one["image"]) for one in sent) == [
        '{"base64": "YWxwaGE="}',
        '{"base64": "YWxwaGE="}',
        '{"input": "inputs/incoming/b.png"}',
    ]
    assert not any("document" in one for one in sent)


def test_a_file_that_all_requests_share_is_set(outbox, folder, job, service, monkeypatch):
    monkeypatch.chdir(folder / "more")
    run = ("submit", folder / "a.png", "--job", job, "--set")
    assert outbox(*run, 'voice={"path": "../../outside.png"}').exit_code == 0
    (body,) = service.bodies.values()
    assert body["model_input"]["voice"] == {"base64": "c2VjcmV0"}
    missing = outbox(*run, 'voice={"path": "1.wav"}')
    assert (missing.exit_code, "voice: 1.wav is not" in missing.stderr) == (2, True)
    taken = outbox(*run, "document=x")
    assert (taken.exit_code, "files are sent in" in taken.stderr) == (2, True)


def test_the_metadata_go_where_the_model_has_them(outbox, folder, job, service, naming):
    from dataclasses import replace

    service.naming = replace(naming, metadata_field="outbox")
    table = jsonl(folder / "rows.jsonl", ROW | {"metadata": {"camera": "X100"}})
    run = ("submit", table, "--job", job)
    assert outbox(*run, OUTBOX_METADATA_FIELD="outbox").exit_code == 0
    (body,) = service.bodies.values()
    assert body["model_input"]["metadata"] == {"camera": "X100"}
    assert body["model_input"]["outbox"] == {"job": job, "item": "x", "labels": {}}
    assert outbox("wait", job, OUTBOX_METADATA_FIELD="outbox").exit_code == 0

    refused = outbox(*run)
    assert (refused.exit_code, len(service.bodies)) == (2, 1)
    assert "metadata: cannot be set: Outbox fills it in" in refused.stderr
    assert "rows.jsonl, row 1)" in refused.stderr
