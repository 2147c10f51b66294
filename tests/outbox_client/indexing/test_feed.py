"""The results of all jobs of a root, one cursor for all."""

import itertools

import pytest

from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.indexing.build import index
from outbox_client.indexing.results import results
from tests.outbox_client.committed import a_manifest, commit
from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.keys import KeyFields, KeyTemplate
from truss_outbox.contract.metadata import RequestMetadata

LONG = "日本" * 60


@pytest.fixture(params=["seaweedfs", "directory"])
def place(request, tmp_path):
    """Options of `results` by which it reads the bucket, and the bucket."""
    if request.param == "directory":
        return {"root": f"file://{tmp_path}/b"}, open_bucket(f"file://{tmp_path}/b")
    root, seaweedfs = request.getfixturevalue("root"), request.getfixturevalue("seaweedfs")
    return {"root": root, "endpoint_url": seaweedfs.endpoint_url}, request.getfixturevalue("bucket")


@pytest.fixture
def local(tmp_path):
    return open_bucket(f"file://{tmp_path}/results")


def named(job, item, template="job={job}/{item}", **labels):
    """A manifest under the key that the template gives it."""
    fields = KeyFields(
        metadata=RequestMetadata(job=job, item=item, labels=labels), request_id="r", model="m"
    )
    key = KeyTemplate.parse(template).render(fields)
    return a_manifest(job, item, key=key, labels=labels)


def read(options, since=None, most=None, **more):
    found = list(itertools.islice(results(**options, since=since, **more), most))
    came = [(one.manifest.job, one.manifest.item) for one in found]
    return came, found[-1].cursor if found else since


def test_all_jobs_come_and_a_new_one_by_itself(place):
    options, bucket = place
    commit(bucket, named("j", "1"), named("a b/ü", "2"), named(LONG, "3"))
    first, cursor = read(options)
    assert sorted(first) == sorted([("j", "1"), ("a b/ü", "2"), (LONG, "3")])
    commit(bucket, named("j", "0"), named("new", "4"), named(LONG, "5"))
    second, cursor = read(options, cursor)
    assert sorted(second) == sorted([("j", "0"), ("new", "4"), (LONG, "5")])
    assert read(options, cursor) == ([], cursor)


def test_one_may_stop_after_any_result(local, naming):
    options = {"root": local.root}
    for job in ("a", "b", "c"):
        commit(local, *(named(job, f"{n}") for n in range(4)))
        index(job, bucket=local, naming=naming, part_rows=3)
    whole, _ = read(options, refresh=False)
    came, cursor = [], None
    for _ in whole:
        one, cursor = read(options, cursor, most=1, refresh=False)
        came += one
    assert came == whole
    assert len(set(came)) == 12


@pytest.mark.parametrize(
    "template", ["results/{job}/all/{item}", "v1/x-{job}-y/{labels.team}/{item}"]
)
def test_jobs_are_found_where_their_folders_are(local, template):
    commit(local, named("j", "1", template, team="t"), named("k", "2", template, team="t"))
    local.create("manifests/v1/notes/x.json", b"{")
    options = {"root": local.root, "key_template": template}
    assert sorted(read(options)[0]) == [("j", "1"), ("k", "2")]


def test_where_keys_name_no_job_those_with_an_index_come(local):
    flat = {"root": local.root, "key_template": "{item}"}
    commit(local, named("j", "1", "{item}"), named(LONG, "2", "{item}"))
    assert read(flat)[0] == []
    for job in ("j", LONG):
        assert len(list(results(local.root, job, key_template="{item}"))) == 1
    assert sorted(read(flat)[0]) == sorted([("j", "1"), (LONG, "2")])


def test_a_folder_that_no_job_gives_is_passed_over(local):
    commit(local, named("j", "1"))
    for key in ("job=a b/x.json", "job=%zz/x.json", "other/x.json", "job=~/x.json"):
        local.create(f"manifests/{key}", b"{")
    assert read({"root": local.root})[0] == [("j", "1")]


@pytest.mark.parametrize("cursor", ["", "0.00000000.1", "j:1", ":0.00000000.1", "j:0.00000000.1;"])
def test_what_is_no_cursor_of_all_jobs_is_refused(local, cursor):
    with pytest.raises(InvalidInputError, match="cursor"):
        read({"root": local.root}, cursor)


def test_the_cursor_of_all_jobs_is_not_one_jobs(local):
    commit(local, named("j", "1"))
    _, cursor = read({"root": local.root})
    with pytest.raises(InvalidInputError, match="cursor"):
        list(results(local.root, "j", since=cursor))


def test_a_job_that_is_gone_keeps_its_place_in_the_cursor(local):
    commit(local, named("a", "1"), named("b", "2"))
    _, cursor = read({"root": local.root})
    taken = {key: local.get(key) for key in [*local.keys("index/job=a/"), "manifests/job=a/1.json"]}
    for key in taken:
        local.delete(key)
    commit(local, named("b", "3"))
    came, cursor = read({"root": local.root}, cursor)
    assert came == [("b", "3")]
    for key, data in taken.items():
        local.create(key, data)
    assert read({"root": local.root}, cursor)[0] == []


def test_one_index_made_anew_is_named_and_what_to_take_out_of_the_cursor(local, naming):
    commit(local, named("a", "1"), named("b", "2"))
    _, cursor = read({"root": local.root})
    for key in list(local.keys("index/job=a/")):
        local.delete(key)
    index("a", bucket=local, naming=naming)
    with pytest.raises(InvalidInputError, match=r"job 'a'.* without a:0") as refused:
        read({"root": local.root}, cursor)
    place = str(refused.value).rpartition("without ")[2].partition(" ")[0]
    left = cursor.replace(place, "").strip(";")
    assert read({"root": local.root}, left)[0] == [("a", "1")]
