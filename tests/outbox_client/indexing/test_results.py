"""Results are read on from a cursor: none is skipped, none comes twice."""

import itertools

import pytest

from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.indexing.build import index
from outbox_client.indexing.results import results
from tests.outbox_client.committed import a_manifest, commit
from truss_outbox.contract.errors import InvalidInputError


@pytest.fixture
def bucket(tmp_path):
    return open_bucket(f"file://{tmp_path}/results")


def read(bucket, job, since=None, **options) -> tuple[list[str], str | None]:
    """The items that come, and the last one's cursor."""
    found = list(results(bucket.root, job, since=since, **options))
    return [one.manifest.item for one in found], found[-1].cursor if found else since


def test_each_call_goes_on_where_the_last_result_left_off(bucket, job):
    commit(bucket, a_manifest(job, "m"), a_manifest(job, "n"))
    first, cursor = read(bucket, job)
    commit(bucket, a_manifest(job, "z"))
    second, cursor = read(bucket, job, cursor)
    third, last = read(bucket, job, cursor)
    assert (first, second, third, last) == (["m", "n"], ["z"], [], cursor)


def test_a_late_commit_comes_whatever_its_key(bucket, job):
    commit(bucket, a_manifest(job, "m"))
    _, cursor = read(bucket, job)
    commit(bucket, a_manifest(job, "a"))
    assert read(bucket, job, cursor)[0] == ["a"]


def test_one_may_stop_after_any_result(bucket, naming, job):
    commit(bucket, *(a_manifest(job, f"{n:02}") for n in range(23)))
    index(job, bucket=bucket, naming=naming, part_rows=5)
    whole, _ = read(bucket, job)
    one_by_one, cursor = [], None
    while one := list(itertools.islice(results(bucket.root, job, since=cursor), 1)):
        one_by_one.append(one[0].manifest.item)
        cursor = one[0].cursor
    assert one_by_one == whole
    assert sorted(whole) == [f"{n:02}" for n in range(23)]


def test_the_order_stays_while_the_index_grows(bucket, job):
    commit(bucket, a_manifest(job, "m"), a_manifest(job, "n"))
    before, _ = read(bucket, job)
    commit(bucket, a_manifest(job, "a"))
    after, _ = read(bucket, job)
    assert after == [*before, "a"]


def test_without_refreshing_it_writes_nothing(bucket, job):
    commit(bucket, a_manifest(job, "m"))
    assert read(bucket, job, refresh=False) == ([], None)
    assert list(bucket.keys("index/")) == []


def test_an_index_made_anew_is_told_from_the_one_the_cursor_is_of(bucket, naming, job):
    commit(bucket, a_manifest(job, "m"))
    _, cursor = read(bucket, job)
    (part,) = bucket.keys(f"index/job={job}/")
    bucket.delete(part)
    with pytest.raises(InvalidInputError, match="start without"):
        read(bucket, job, cursor, refresh=False)
    index(job, bucket=bucket, naming=naming)
    with pytest.raises(InvalidInputError, match="start without"):
        read(bucket, job, cursor)


@pytest.mark.parametrize("cursor", ["", "x", "0.1", "0.zzzzzzzz.1", "-1.00000000.0"])
def test_what_is_no_cursor_is_refused(bucket, job, cursor):
    with pytest.raises(InvalidInputError, match="cursor"):
        read(bucket, job, cursor)
