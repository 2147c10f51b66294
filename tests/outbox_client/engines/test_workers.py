"""What workers do with ranges and keys, whichever engine calls them."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.engines.indexing import index_by, index_range
from outbox_client.engines.open_engine import EngineName, open_engine
from outbox_client.engines.ranges import ranges
from outbox_client.engines.reading import read_rows, read_table, verify
from outbox_client.indexing.results import results
from tests.outbox_client.committed import a_manifest, commit
from tests.outbox_client.indexing.test_indexing import items
from tests.outbox_client.results import Results
from truss_outbox.contract.errors import ConfigurationError, StoreError

ITEMS = [f"{number:03}" for number in range(60)]


class ThreadEngine:
    """Each item twice, at once: as where a worker is thought to be dead and is not."""

    workers = 4

    def map(self, function, items):
        with ThreadPoolExecutor(self.workers) as pool:
            twice = itertools.chain.from_iterable((one, one) for one in items)
            return iter(list(pool.map(function, twice)))


class DyingEngine:
    """Ends after some of its items."""

    workers = 1

    def map(self, function, items):
        for one in items[:3]:
            yield function(one)
        raise RuntimeError("killed")


@pytest.fixture
def bucket(tmp_path):
    return open_bucket(f"file://{tmp_path}/results")


def test_each_result_is_indexed_once_though_workers_are_called_twice(bucket, job):
    commit(bucket, *(a_manifest(job, item) for item in ITEMS))
    report = index_by(ThreadEngine(), job, ranges(bucket.root, job, 6), bucket=bucket)
    assert (report.known, report.added) == (0, 60)
    assert items(bucket, job) == ITEMS
    commit(bucket, a_manifest(job, "new"))
    report = index_by(ThreadEngine(), job, ranges(bucket.root, job, 6), bucket=bucket)
    assert (report.known, report.added) == (60, 1)
    assert [one.manifest.item for one in results(bucket.root, job)][-1] == "new"


def test_an_engine_that_dies_loses_nothing_that_was_done(bucket, job):
    commit(bucket, *(a_manifest(job, item) for item in ITEMS))
    with pytest.raises(RuntimeError, match="killed"):
        index_by(DyingEngine(), job, ranges(bucket.root, job, 6), bucket=bucket)
    done = len(items(bucket, job))
    assert 0 < done < len(ITEMS)
    report = index_by(ThreadEngine(), job, ranges(bucket.root, job, 6), bucket=bucket)
    assert (report.known, report.added) == (done, len(ITEMS) - done)
    assert items(bucket, job) == ITEMS


def test_what_a_worker_passes_over_is_named_by_who_asked(bucket, job):
    commit(bucket, a_manifest(job, "a"))
    bucket.create(f"manifests/job={job}/broken.json", b"{}")
    bucket.create(f"manifests/job={job}/folder/", b"")
    report = index_by(ThreadEngine(), job, ranges(bucket.root, job, 2), bucket=bucket)
    assert report.added == 1
    assert f"manifests/job={job}/broken.json" in {one.key for one in bucket.foreign}


def test_a_worker_that_is_refused_ends_it_with_the_reason(bucket, job):
    commit(bucket, a_manifest(job, "a"))
    index_range(*ranges(bucket.root, job, 1))
    (part,) = bucket.keys(f"index/job={job}/")
    some = ranges(bucket.root, job, 1)

    class Damaging(ThreadEngine):
        def map(self, function, items):
            bucket.put(part, b"no Parquet")
            return super().map(function, items)

    commit(bucket, a_manifest(job, "b"))
    with pytest.raises(StoreError, match=r"a worker was refused: .*outbox index"):
        index_by(Damaging(), job, some, bucket=bucket)


def test_rows_of_keys_are_those_of_the_index(bucket, job):
    commit(bucket, a_manifest(job, "a"), a_manifest(job, "b"))
    bucket.create(f"manifests/job={job}/broken.json", b"{}")
    asked = [f"job={job}/{item}" for item in ("a", "b", "broken", "none")]
    rows = {row["key"]: row for row in read_rows(asked, root=bucket.root)}
    assert [rows[key]["problem"] for key in asked[:2]] == [None, None]
    assert (rows[asked[0]]["item"], rows[asked[0]]["job"]) == ("a", job)
    assert rows[asked[2]]["problem"].startswith("BAD_MANIFEST")
    assert rows[asked[3]]["problem"].startswith("NOT_FOUND")
    table = read_table({"key": asked}, root=bucket.root)
    assert sorted(table["key"].to_pylist()) == sorted(asked)
    assert table["problem"].null_count == 2


def test_files_are_verified_and_nothing_is_kept(tmp_path):
    stored = Results(tmp_path / "results")
    whole = stored.commit("whole", {"a": b"alpha", "empty": b""})
    damaged = stored.commit("damaged", {"a": b"alpha", "b": b"beta"})
    stored.put(f"artifacts/{damaged}/0123abcd/b", b"BETA")
    asked = [whole, damaged, "job=J/none"]
    found = {one["key"]: one for one in verify(asked, root=stored.root)}
    assert (found[whole]["files"], found[whole]["size"], found[whole]["problem"]) == (2, 5, None)
    assert (found[whole]["job"], found[whole]["item"]) == ("J", "whole")
    assert "artifact 'b'" in found[damaged]["problem"]
    assert found["job=J/none"]["problem"].startswith("NOT_FOUND")


@pytest.mark.parametrize("name", EngineName)
def test_an_engine_that_is_not_installed_is_named_with_its_extra(monkeypatch, name):
    import sys

    package = {"ray": "ray", "spark": "pyspark.errors"}[name]
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"outbox_client.engines.on_{name}", raising=False)
    with pytest.raises(ConfigurationError, match=rf"truss-outbox\[client,{name}\]"):
        open_engine(name)
