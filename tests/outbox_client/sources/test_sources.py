"""What can be submitted, what it is called, and what is told before anything is sent."""

import io
import json

import pytest

from outbox_client import Batch, Reading, find_items
from outbox_client.sending.plan import planned
from outbox_client.sources.tables import Columns
from truss_outbox.contract.errors import InvalidInputError


def names(*sources, **reading):
    return [item.name for item in find_items(sources, Reading(**reading))]


def test_a_pattern_gives_its_files_by_their_path_below_its_fixed_part(documents):
    assert names(f"{documents}/*.txt") == ["a.txt", "b.txt"]
    assert names(f"{documents}/**/*.txt") == ["a.txt", "b.txt", "more/c.txt"]
    with pytest.raises(InvalidInputError, match="no file to submit"):
        names(f"{documents}/*.pdf")


def test_a_table_in_a_folder_is_a_document_and_outright_a_table(tmp_path):
    table = tmp_path / "in" / "rows.jsonl"
    table.parent.mkdir()
    table.write_text('{"item": "x", "text": "hello"}\n\n{"item": 7}\n')
    assert names(tmp_path / "in") == ["rows.jsonl"]
    assert names(table) == ["x", "7"]


def test_files_can_be_named_by_their_content_and_equal_ones_are_sent_once(documents, naming):
    (documents / "again.txt").write_bytes(b"alpha")
    found = list(find_items([documents], Reading(by_content=True)))
    assert len({item.name for item in found}) == 3
    with planned(found, Batch(job="J"), naming=naming) as plan:
        assert (plan.count, plan.repeated) == (3, 1)


def test_what_is_sent_once_though_given_twice_is_told(outbox, documents, job, service):
    (documents / "again.txt").write_bytes(b"alpha")
    result = outbox("submit", documents, "--job", job, "--names", "content")
    assert "1 the same as another: sent once" in result.stderr
    assert len(service.bodies) == 3


def test_stdin_is_json_lines(naming):
    stdin = io.BytesIO(b'{"text": "a"}\n{"text": "b"}\n{"text": "a"}\n')
    with planned(find_items(["-"], Reading(stdin=stdin)), Batch(job="J"), naming=naming) as plan:
        assert (plan.count, plan.repeated) == (2, 1), "without a name, a row is its content"
        assert [one.item.inputs for one in plan] == [{"text": "a"}, {"text": "b"}]


def test_labels_come_from_an_object_and_from_columns_of_their_own(tmp_path):
    row = {"id": "x", "labels": {"a": "1"}, "team": "red", "pages": "1-2", "document": {"url": "u"}}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    columns = Columns(item="id", single_labels=("team", "absent"))
    (item,) = find_items([tmp_path / "rows.jsonl"], Reading(columns=columns))
    assert (item.name, item.labels) == ("x", {"a": "1", "team": "red"})
    assert item.inputs == {"pages": "1-2", "document": {"url": "u"}}


def test_a_csv_table_has_fields_of_fields_and_leaves_out_what_is_empty(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(
        "item,document.input,labels.team,dpi,artifacts,pages\n"
        '007,inputs/x,5,150,"[""text.txt""]",\n'
    )
    (item,) = find_items([path])
    assert (item.name, item.labels) == ("007", {"team": "5"})
    assert item.inputs == {
        "document": {"input": "inputs/x"},
        "dpi": 150,
        "artifacts": ["text.txt"],
    }


def test_a_parquet_table_is_read_in_batches_without_its_nulls(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    rows = [{"item": str(n), "n": n, "text": None if n else "first"} for n in range(600)]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    items = list(find_items([tmp_path / "rows.parquet"]))
    assert [item.name for item in items] == [str(n) for n in range(600)]
    assert (items[0].inputs, items[1].inputs) == ({"n": 0, "text": "first"}, {"n": 1})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.jsonl", '{"a": 1}\n[]\n', r"x\.jsonl, row 2: is not a JSON object"),
        ("x.jsonl", '{"a": 1}\n{"a": \n', "row 2: is not a JSON object"),
        ("x.jsonl", '{"labels": 1}\n', "row 1: must be an object"),
        ("x.csv", "a,b\n1,2,3\n", "row 1: has more cells"),
        ("x.csv", "a,a.b\n1,2\n", "row 1: is part of a column"),
        ("x.csv", b"a\n1\n\xff\n", r"x\.csv, row 2: line 3 is not UTF-8 text: save .* as UTF-8"),
        ("x.jsonl", '{"a": "é"}\n'.encode("cp1252"), "row 1: line 1 is not UTF-8 text"),
        ("x.jsonl", '{"a": "é"}\n'.encode("utf-16-le"), "row 1: line 1 is not UTF-8 text"),
        ("x.csv", "a\n" + '"x"y"\n' + "a" * 200_000, "row 2: cannot be read"),
        ("x.parquet", "no", "row 1: is not Parquet"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_by_its_row(tmp_path, name, content, said):
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidInputError, match=said):
        names(tmp_path / name)


def test_duplicates_are_told_together_before_anything_is_sent(outbox, job, tmp_path, service):
    rows = [{"item": f"i{number % 12}", "n": number} for number in range(30)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = outbox("submit", tmp_path / "rows.jsonl", "--job", job)
    assert result.exit_code == 2
    assert result.stderr.count("would both be item") == 10
    assert "and 8 more" in result.stderr
    assert service.bodies == {}
    assert "was not submitted" in outbox("wait", job).stderr, "nothing was noted either"


def test_a_dry_run_shows_keys_and_sizes_and_sends_nothing(outbox, documents, job, service):
    result = outbox("submit", documents, "--job", job, "--dry-run")
    assert result.exit_code == 0
    assert [line.split()[:2] for line in result.stdout.splitlines()[:-1]] == [
        ["5", f"job={job}/a.txt"],
        ["4", f"job={job}/b.txt"],
        ["5", f"job={job}/more%2Fc.txt"],
    ]
    assert result.stdout.splitlines()[-1] == f"job {job}: 3 to send, 14 bytes"
    told = json.loads(outbox("submit", documents, "--job", job, "--dry-run", "--json").stdout)
    assert (told["bytes"], told["items"][2]["key"]) == (14, f"job={job}/more%2Fc.txt")
    assert service.bodies == {}
    assert json.loads(outbox("jobs", "--json").stdout) == {"jobs": [], "damaged": []}


def test_documents_in_the_bucket_are_sent_by_reference(
    outbox, root, bucket, job, service, tmp_path
):
    for name in ("a.txt", "deep/b.txt", ".hidden"):
        bucket.create(f"inputs/incoming/{name}", name.encode())
    run = ("submit", f"{root}/inputs/incoming/", "--job", job)
    assert outbox(*run).exit_code == 0
    said = {
        body["model_input"]["metadata"]["item"]: body["model_input"]["document"]
        for body in service.bodies.values()
    }
    assert said == {
        "a.txt": {"input": "inputs/incoming/a.txt"},
        "deep/b.txt": {"input": "inputs/incoming/deep/b.txt"},
    }
    assert outbox("submit", f"{root}/inputs/incoming/a.txt", "--job", f"{job}-1").exit_code == 0
    assert outbox("wait", job).exit_code == 0
    assert len(list(bucket.keys("inputs/"))) == 3, "nothing was copied"


def test_documents_the_model_cannot_read_are_refused_with_the_remedy(outbox, job, service):
    result = outbox("submit", "s3://outbox/elsewhere", "--job", job)
    assert result.exit_code == 2
    assert "input_roots" in result.stderr
    allowed = outbox(
        "submit", "s3://outbox/elsewhere", "--job", job, OUTBOX_INPUT_ROOTS="s3://outbox/elsewhere/"
    )
    assert "there is no object" in allowed.stderr
    assert service.bodies == {}


def test_documents_of_a_further_root_go_by_their_full_address(
    outbox, root, seaweedfs, job, service
):
    further = root.rpartition("/")[0] + "/further" + root.rpartition("/")[2]
    from outbox_client.bucket.open_bucket import open_bucket

    open_bucket(further, endpoint_url=seaweedfs.endpoint_url).create("a.txt", b"x")
    service.held = True
    outbox("submit", further, "--job", job, OUTBOX_INPUT_ROOTS=further)
    (body,) = service.bodies.values()
    assert body["model_input"]["document"] == {"input": f"{further}/a.txt"}


def test_a_documents_address_may_be_longer_than_a_root(outbox, root, bucket, job, service):
    folder = f"inputs/incoming/{'x' * 120}"
    bucket.create(f"{folder}/a%20b.txt", b"x")
    assert outbox("submit", f"{root}/{folder}", "--job", job, OUTBOX_ROOT=f"{root}/").exit_code == 0
    (body,) = service.bodies.values()
    assert body["model_input"]["document"] == {"input": f"{folder}/a%20b.txt"}


@pytest.mark.parametrize("key", ["a/../b", "a//b", "./a"])
def test_an_address_is_a_place_below_the_root(outbox, root, job, service, key):
    result = outbox("submit", f"{root}/inputs/{key}", "--job", job)
    assert result.exit_code == 2
    assert "empty, . or .. segment" in result.stderr
    assert service.bodies == {}


def test_a_further_root_that_is_none_is_named_by_its_setting(outbox, root, job):
    result = outbox("submit", f"{root}/x", "--job", job, OUTBOX_INPUT_ROOTS="s3://b?x")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("outbox: input_roots: may have no ?")
