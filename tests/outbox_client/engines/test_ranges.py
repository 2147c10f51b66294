"""A job's results in ranges: each result in one of them, by a listing or by an inventory report."""

import csv
import gzip
import io
import itertools
import json
import pickle

import pyarrow as pa
import pytest
from pyarrow import orc, parquet

from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.engines.ranges import ranges
from tests.outbox_client.committed import a_manifest, commit
from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.root import Root

ITEMS = [f"{number:02}/a b" for number in range(40)]


@pytest.fixture(params=["directory", "s3"])
def place(request, tmp_path):
    """A root that does not list in order, and one that does; with how it is reached."""
    if request.param == "directory":
        return f"file://{tmp_path}/results", {}
    request.getfixturevalue("bucket_environment")
    server = request.getfixturevalue("seaweedfs")
    return request.getfixturevalue("root"), {"endpoint_url": server.endpoint_url}


def keys(job, items=ITEMS):
    return [a_manifest(job, item).key for item in items]


def test_each_result_is_in_one_range_and_ranges_are_about_as_large(place, job):
    root, how = place
    bucket = open_bucket(root, **how)
    commit(bucket, *(a_manifest(job, item) for item in ITEMS), a_manifest("another job", "x"))
    some = [pickle.loads(pickle.dumps(one)) for one in ranges(root, job, 4, **how)]
    parts = [list(one) for one in some]
    assert sorted(itertools.chain(*parts)) == keys(job)
    assert {len(part) for part in parts} <= {9, 10, 11}
    # What is committed later is in one of them, too; one may be read again.
    commit(bucket, a_manifest(job, "20/a later one"), a_manifest(job, "zzz"))
    assert len([key for one in some for key in one]) == len(ITEMS) + 2


def test_fewer_results_than_ranges_are_all_there(place, job):
    root, how = place
    assert [list(one) for one in ranges(root, job, 5, **how)] == [[]]
    commit(open_bucket(root, **how), a_manifest(job, "a"), a_manifest(job, "b"))
    some = ranges(root, job, 5, **how)
    assert sorted(itertools.chain(*some)) == keys(job, ["a", "b"])
    with pytest.raises(InvalidInputError, match="1 or more"):
        ranges(root, job, 0, **how)


def in_csv(names, columns=("Bucket", "Key", "Size"), bucket="outbox", header=None):
    text = io.StringIO()
    rows = csv.writer(text)
    if header:
        rows.writerow(header)
    for name in names:
        values = {"bucket": bucket, "key": name, "name": name, "size": "5"}
        rows.writerow([values[column.lower()] for column in columns])
    return text.getvalue().encode()


def in_parquet(names, column):
    sink = io.BytesIO()
    parquet.write_table(pa.table({"bucket": ["outbox"] * len(names), column: names}), sink)
    return sink.getvalue()


def in_orc(names):
    sink = io.BytesIO()
    orc.write_table(pa.table({"key": names}), sink)
    return sink.getvalue()


def s3_report(kind, files):
    listed = [{"key": name, "size": 1, "MD5checksum": "0"} for name in files]
    schema = "Bucket, Key, Size" if kind == "CSV" else "message s3.inventory {…}"
    return {"sourceBucket": "outbox", "fileFormat": kind, "fileSchema": schema, "files": listed}


def gcs_report(files, *, header):
    fields = {"metadata_fields": ["project", "bucket", "name"]}
    return {
        "report_config": {
            "csv_options": {"delimiter": ",", "header_required": header},
            "object_metadata_report_options": fields,
        },
        "report_shards_file_names": [name.rpartition("/")[2] for name in files],
    }


def quoted(names):
    return [name.replace(" ", "+").replace("%", "%25") for name in names]


FORMS = {
    "S3, CSV": (
        "csv.gz",
        lambda names: gzip.compress(in_csv(quoted(names))),
        lambda files: s3_report("CSV", files),
    ),
    "S3, Parquet": (
        "parquet",
        lambda names: in_parquet(names, "key"),
        lambda files: s3_report("Parquet", files),
    ),
    "S3, ORC": ("orc", in_orc, lambda files: s3_report("ORC", files)),
    "GCS, CSV": (
        "csv",
        lambda names: in_csv(names, ["bucket", "name"], header=["bucket", "name"]),
        lambda files: gcs_report(files, header=True),
    ),
    "GCS, Parquet": (
        "parquet",
        lambda names: in_parquet(names, "name"),
        lambda files: gcs_report(files, header=True),
    ),
}


@pytest.fixture
def report(root, bucket, job):
    """Stores one beside the root; its address."""
    place = Root.parse(root)

    def report(form, names):
        ending, encoded, document = FORMS[form]
        folder = f"{place.prefix}/reports-of-{job}"
        beside = open_bucket(f"s3://outbox/{folder}", endpoint_url=bucket.address)
        files = [f"{folder}/{number}.{ending}" for number in range(2)]
        for number, file in enumerate(files):
            beside.create(file.rpartition("/")[2], encoded(names[number::2]))
        beside.create("manifest.json", json.dumps(document(files)).encode())
        return f"s3://outbox/{folder}/manifest.json"

    return report


@pytest.mark.parametrize("form", FORMS)
def test_where_to_cut_is_found_in_an_inventory_report(form, report, bucket, root, job, seaweedfs):
    commit(bucket, *(a_manifest(job, item) for item in ITEMS))
    # Of yesterday, when the last ten were not there, and of all that is in the bucket.
    names = [Root.parse(root).object_name(f"manifests/{key}.json") for key in keys(job)[:30]]
    names += [f"other/{number}" for number in range(50)]
    how = {"endpoint_url": seaweedfs.endpoint_url}
    some = ranges(root, job, 3, inventory=report(form, names), **how)
    assert sorted(itertools.chain(*some)) == keys(job)
    assert [len(list(one)) for one in some] == [11, 10, 19]


def test_what_is_no_report_of_this_bucket_is_refused(report, bucket, root, job, seaweedfs):
    def found(address):
        return ranges(root, job, 2, inventory=address, endpoint_url=seaweedfs.endpoint_url)

    for document, said in (
        (b"text", "no report's manifest.json"),
        (b"[]", "no report's manifest.json"),
        (b"{}", "no report's manifest.json"),
        (json.dumps(s3_report("CSV", []) | {"sourceBucket": "b"}).encode(), "is of bucket b"),
    ):
        bucket.put("jobs/report.json", document)
        with pytest.raises(InvalidInputError, match=said):
            found(f"{root}/jobs/report.json")
    damaged = report("S3, CSV", ["a"])
    folder = open_bucket(damaged.rpartition("/")[0], endpoint_url=seaweedfs.endpoint_url)
    folder.put("0.csv.gz", b"no gzip")
    with pytest.raises(InvalidInputError, match="damaged"):
        found(damaged)
