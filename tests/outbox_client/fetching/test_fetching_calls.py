"""What fetching costs in calls, and in memory."""

import contextlib
import io
import itertools
import json
import shutil
import tracemalloc

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from outbox_client import Naming, fetch, index
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.bucket.records import listed_manifests
from outbox_client.fetching.fetch import Listed
from outbox_client.fetching.layout import Selection
from outbox_client.fetching.one_result import Fetched
from outbox_client.fetching.report import KEPT, FetchReport
from outbox_client.upkeep.presign import presign
from scripts.bench.scale.synthetic_s3 import running_s3
from tests.end_to_end.s3_proxy import running_proxy
from tests.outbox_client.results import NAMING, Results
from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.keys import (
    KeyTemplate,
    artifact_key,
    key_of_manifest,
    manifest_key,
    short_segment,
)
from truss_outbox.contract.manifest import Manifest

ITEMS = ["a.pdf", "sub/b.pdf", "c d.pdf", *(f"{number:02}.pdf" for number in range(9))]


@pytest.fixture
def door(bucket, root, tmp_path, seaweedfs):
    """A bucket with results of ITEMS, behind a door that counts."""
    local = Results(tmp_path / "made")
    for item in ITEMS:
        key = local.commit(item, {"text.txt": item.encode()})
        for path in (manifest_key(key), artifact_key(key, "0123abcd", "text.txt")):
            bucket.create(path, (local.directory / path).read_bytes())
    with running_proxy(seaweedfs.endpoint_url) as door:
        yield door


@pytest.fixture
def gets(door, root, tmp_path):
    """Fetches to the same place; returns how many calls of each kind it took."""

    def gets(**options):
        door.calls.clear()
        bucket = open_bucket(root, endpoint_url=door.url)
        report = fetch("J", tmp_path / "out", bucket=bucket, **{"naming": NAMING} | options)
        assert not report.problems
        gets = [call for call in door.calls if call.startswith("GET") and "list-type" not in call]
        return tuple(sum(kind in call for call in gets) for kind in ("manifests/", "artifacts/"))

    return gets


@pytest.fixture
def indexed(bucket, monkeypatch):
    """Adds what is new to the job's index, which is looked at from the third result on."""
    monkeypatch.setattr("outbox_client.fetching.indexed._SOONER", 2)

    def indexed(**options):
        index("J", bucket=bucket, naming=NAMING, **options)
        return sorted(bucket.keys("index/job=J/"))

    return indexed


def test_manifests_come_from_the_index_where_it_has_them(gets, indexed, bucket, tmp_path):
    indexed(part_rows=4)
    assert gets() == (2, len(ITEMS))
    for item in ITEMS:
        path = "job=J/" + short_segment(item)
        there = (tmp_path / "out" / item / "manifest.json").read_bytes()
        assert there == bucket.get(manifest_key(path))


def test_of_an_index_that_lacks_some_the_others_are_taken(gets, indexed, bucket, tmp_path):
    indexed()
    local = Results(tmp_path / "later")
    key = local.commit("05-more.pdf", {"text.txt": b"later"})
    for path in (manifest_key(key), artifact_key(key, "0123abcd", "text.txt")):
        bucket.create(path, (local.directory / path).read_bytes())
    assert gets() == (3, len(ITEMS) + 1)
    assert (tmp_path / "out" / "05-more.pdf" / "text.txt").read_bytes() == b"later"


def test_an_index_that_says_another_thing_than_a_manifest_is_not_believed(
    gets, indexed, bucket, tmp_path
):
    (part,) = indexed()
    table = pq.read_table(io.BytesIO(bucket.get(part)))
    swapped = [*table.column("attempt").to_pylist()[:-1], "ffffffff"]
    place = table.column_names.index("attempt")
    table = table.set_column(place, "attempt", pa.array(swapped))
    sink = io.BytesIO()
    pq.write_table(table, sink)
    bucket.put(part, sink.getvalue())
    assert gets() == (3, len(ITEMS))
    assert all((tmp_path / "out" / item / "text.txt").exists() for item in ITEMS)


@pytest.mark.parametrize("data", [b"", b"no Parquet", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_a_damaged_index_keeps_nothing_back(gets, indexed, bucket, data):
    (part,) = indexed()
    bucket.put(part, data)
    assert gets() == (len(ITEMS), len(ITEMS))


def test_what_is_foreign_to_the_index_is_not_the_fetchs_to_tell(
    indexed, bucket, root, door, tmp_path
):
    indexed()
    bucket.put("index/job=J/notes.txt", b"not a part")
    fetching = open_bucket(root, endpoint_url=door.url)
    assert len(fetch("J", tmp_path / "out", bucket=fetching, naming=NAMING).results) == len(ITEMS)
    assert list(fetching.foreign) == []


def test_what_the_index_does_not_know_of_a_manifest_is_not_lost(gets, indexed, bucket, tmp_path):
    path = manifest_key(f"job=J/{short_segment('08.pdf')}")
    document = json.loads(bucket.get(path)) | {"later": {"version": 2}}
    bucket.put(path, json.dumps(document).encode())
    indexed()
    assert gets() == (3, len(ITEMS))
    there = json.loads((tmp_path / "out" / "08.pdf" / "manifest.json").read_bytes())
    assert there["later"] == {"version": 2}


def test_what_is_here_is_not_asked_for_again_its_manifest_neither(gets, tmp_path):
    assert gets() == (len(ITEMS), len(ITEMS))
    assert gets() == (0, 0)
    shutil.copytree(tmp_path / "out", tmp_path / "copied")  # with other dates
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "copied").rename(tmp_path / "out")
    assert gets() == (0, 0)
    (tmp_path / "out" / "a.pdf" / "text.txt").unlink()
    assert gets() == (0, 1)
    (tmp_path / "out" / "a.pdf" / "manifest.json").write_text("{}")
    assert gets() == (1, 0)


def test_another_manifest_of_the_same_length_is_brought(gets, bucket, tmp_path):
    gets()
    path = "manifests/job=J/a.pdf.json"
    other = json.loads(bucket.get(path)) | {"request_id": "S-a.pdf"}
    bucket.delete(path)
    bucket.create(path, json.dumps(other).encode())
    assert gets() == (1, 0)
    here = (tmp_path / "out" / "a.pdf" / "manifest.json").read_bytes()
    assert Manifest.from_bytes(here).request_id == "S-a.pdf"


def test_items_that_are_not_asked_for_cost_nothing(gets):
    assert gets(selection=Selection(include=["sub/*", "c ?.pdf"])) == (2, 2)
    assert gets(selection=Selection(exclude=["0*"])) == (1, 1)


def test_where_the_key_does_not_tell_the_item_the_manifest_does(gets):
    naming = Naming(template=KeyTemplate.parse("job={job}/{request_id}"))
    assert gets(naming=naming, selection=Selection(include=["a.pdf"])) == (len(ITEMS), 1)


@contextlib.contextmanager
def holding(results, monkeypatch):
    """A bucket with so many results and an object that is none, and what it was asked for."""
    with running_s3(f"--job=J={results},size=100") as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        bucket = open_bucket(s3.root, endpoint_url=s3.endpoint_url, region="us-east-1")
        bucket.create("manifests/job=J/odd", b"odd")
        s3.reset()
        yield bucket, lambda: s3.counted()["calls"]


@pytest.fixture
def far(monkeypatch):
    with holding(12_000, monkeypatch) as made:
        yield made


def test_of_many_results_only_those_that_are_asked_for_cost_more_than_the_listing(far, tmp_path):
    bucket, calls = far
    some = Selection(include=["00115*.pdf"], exclude=["*1.pdf"])
    report = fetch("J", tmp_path, bucket=bucket, naming=NAMING, selection=some)
    assert len(report.results) == 90
    assert not report.problems
    assert calls() == {"LIST manifests": 13, "GET manifests": 90, "GET artifacts": 90}
    assert [one.key for one in bucket.foreign] == ["manifests/job=J/odd"]


def test_of_a_few_results_some_are_found_by_one_listing(tmp_path, monkeypatch):
    with holding(20, monkeypatch) as (bucket, calls):
        some = Selection(include=["*1.pdf"])
        assert len(fetch("J", tmp_path, bucket=bucket, naming=NAMING, selection=some).results) == 2
        assert calls()["LIST manifests"] == 1


def test_of_many_results_in_a_directory_none_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("outbox_client.bucket.records._FEW_PAGES", 1)
    results = Results(tmp_path / "bucket")
    keys = [f"{folder}/{number:04}" for folder in ("a", "a-b") for number in range(1_200)]
    for key in keys:  # whose order is not that of folders
        results.put(manifest_key(key), b"{}")
    listed = listed_manifests(results.bucket, "", is_wanted=lambda key: key.endswith("7"))
    assert {key_of_manifest(one.key) for one in listed} == {key for key in keys if key[-1] == "7"}


def test_links_to_one_of_many_results_cost_no_call_for_the_others(far):
    bucket, calls = far
    links = presign("J", ["0011500.pdf"], bucket=bucket, naming=NAMING, sign="https://{}".format)
    assert [link.item for link in links] == ["0011500.pdf"]
    assert calls() == {"LIST manifests": 13, "GET manifests": 1}
    with pytest.raises(InvalidInputError, match="has no result of item 'none'"):
        presign("J", ["0011500.pdf", "none"], bucket=bucket, naming=NAMING, sign=str)


def test_in_a_directory_too_a_manifest_is_known_by_its_date(tmp_path, monkeypatch):
    results = Results(tmp_path / "bucket")
    results.commit("a", {"text.txt": b"a"})
    assert results.fetch(tmp_path / "out").files == 1
    read = []
    get = results.bucket.get
    monkeypatch.setattr(
        results.bucket, "get", lambda key, **how: read.append(key) or get(key, **how)
    )
    assert results.fetch(tmp_path / "out").files == 0
    assert read == []


def test_the_first_result_is_here_before_the_last_is_listed(tmp_path):
    results = Results(tmp_path / "bucket")
    results.commit("a", {"text.txt": b"a"})
    (first,) = results.bucket.objects("manifests/")

    def found():
        yield first
        for _ in range(200_000):
            if (tmp_path / "out" / "a" / "manifest.json").exists():
                return
            yield first
        raise AssertionError("all was listed first")

    listed = Listed(found=found(), total=0, is_result=lambda _: False)
    with contextlib.suppress(FileExistsError):
        results.fetch(tmp_path / "out", listed=listed)


def test_a_report_of_many_results_takes_little_memory():
    report = FetchReport(job="J")
    rows = (
        Fetched(item=f"{n}", key=f"k{n:05}", place="/out", problem="no" if n % 2 else None)
        for n in range(30_000)
    )
    tracemalloc.start()
    for row in rows:
        report.add(row)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20
    assert (report.whole, report.failed, len(report.problems)) == (15_000, 15_000, KEPT)
    assert [one.item for one in itertools.islice(report.results, 3)] == ["0", "1", "2"]
    assert sum(1 for _ in report.results) == len(report.results) == 30_000


@pytest.mark.parametrize(
    ("template", "key", "values"),
    [
        ("job={job}/{item}", "job=J/a%2Fb%20c.pdf", {"job": "J", "item": "a/b c.pdf"}),
        ("{job}={item}@x", "J=%FF@x", {"job": "J", "item": ""}),
        ("{job}/{labels.t}/{item}", "J/%2Ex/a", {"job": "J", "labels.t": ".x", "item": "a"}),
        ("job={job}/{item}", "job=J/long~0123456789abcdef", None),
        ("job={job}/{item}", "other=J/a", None),
        ("job={job}/{item}", "job=J/a/b", None),
        ("job={job}/{item}", "job=J/%80", None),
    ],
)
def test_a_key_tells_what_its_request_was_called(template, key, values):
    assert KeyTemplate.parse(template).values(key) == values


def test_a_result_is_found_in_its_folder_whatever_the_template(tmp_path):
    """Where the key does not tell the folder, the manifest does."""
    results = Results(tmp_path / "bucket")
    results.commit("x" * 400, {"text.txt": b"a"})
    naming = Naming(template=KeyTemplate.parse("job={job}/{item}"))
    for files in (1, 0):
        assert results.fetch(tmp_path / "out", naming=naming).files == files
