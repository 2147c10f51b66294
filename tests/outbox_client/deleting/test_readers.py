"""Who reads a job while some of it is deleted, and who indexes it at the same time."""

import datetime

import pytest

from outbox_client import fetch
from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.tombstones import read_tombstones, write_tombstone
from outbox_client.indexing import format as index_format
from outbox_client.indexing.parts import IndexParts
from outbox_client.indexing.purging import purge
from outbox_client.indexing.results import results
from tests.outbox_client.committed import a_manifest, commit
from tests.outbox_client.deleting.world import TOLD_LATER, World
from truss_outbox.contract.errors import AccessDeniedError


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)


def grow(world: World, names, **more) -> None:
    commit(world.bucket, *(a_manifest("a", name) for name in names))
    world.index("a", **more)


def read(world: World, since=None) -> list[tuple[str, str]]:
    found = results(world.root, "a", since=since, refresh=False)
    return [(one.manifest.item, one.cursor) for one in found]


NAMES = [f"{n:02}" for n in range(14)]


@pytest.mark.parametrize("part_rows", [pytest.param(1, marks=pytest.mark.slow), 100])
def test_cursors_stay_what_they_are_whatever_is_deleted_and_merged(world, part_rows):
    grow(world, NAMES, part_rows=part_rows)
    before = dict(read(world))
    for gone in ({"00", "03", "04"}, {"13"}, {"05", "06", "07", "08"}):
        world.delete("a", items=frozenset(gone))
        before = {name: cursor for name, cursor in before.items() if name not in gone}
        assert dict(read(world)) == before
        for name, cursor in before.items():
            after = [item for item, _ in read(world, since=cursor)]
            assert after == list(before)[list(before).index(name) + 1 :]
    # Of a result that has gone, too: what came behind it still does.
    grow(world, ["99"], part_rows=part_rows)
    assert [item for item, _ in read(world, since=list(before.values())[-1])] == ["99"]
    assert world.items("a") == sorted([*before, "99"])


def test_a_cursor_of_a_result_that_has_gone_since_goes_on_behind_it(world):
    grow(world, NAMES, part_rows=7)
    cursors = dict(read(world))
    order = list(cursors)  # as they were read
    world.delete("a", items=frozenset(order[3:12]))
    for name in order[3:12]:
        assert [item for item, _ in read(world, since=cursors[name])] == order[12:]


def test_rows_that_are_gone_are_no_longer_in_any_file(world):
    grow(world, NAMES, part_rows=100)
    order = [item for item, _ in read(world)]
    world.delete("a", items=frozenset(order[:5]))
    index = IndexParts.of(world.bucket, "a")
    (part,) = index.read().parts
    assert part.key.endswith("part-00000000-00000000-0001.parquet")
    with index.opened(part) as file:
        assert [key for some in file.result_keys() for key in some] == [
            f"job=a/{name}" for name in order[5:]
        ]
        (piece,) = file.pieces()
    assert (piece.rows, piece.left, sorted(piece.gone)) == (14, 9, [1, 2, 3, 4, 5])
    assert [one for one in world.everything() if one.startswith("index/")] == [part.key]
    world.delete("a", items=frozenset(order[5:]))
    assert world.items("a") == []


def test_whoever_had_read_a_result_before_it_was_deleted_adds_no_row_that_counts(world):
    """An indexer's row may come after the deletion has purged the index."""
    grow(world, NAMES[:2])
    late = a_manifest("a", "late", attempt="deadbeef")
    write_tombstone(world.bucket, "a", [(late.key, late.attempt)])
    row = index_format.table([index_format.row(late)])
    data = index_format.encoded(row, job="a", part_id="0" * 8)
    IndexParts.of(world.bucket, "a").create(1, data)
    assert world.items("a") == NAMES[:2]
    # Its key is free: what is stored there now has a row.
    commit(world.bucket, a_manifest("a", "late", attempt="0badcafe"))
    world.index("a")
    assert world.items("a") == [*NAMES[:2], "late"]
    world.delete("a", items=frozenset({"none"}))
    assert [name for name in world.about("deadbeef") if name.startswith("index/")] == []
    assert world.items("a") == [*NAMES[:2], "late"]


class Meanwhile:
    """A bucket in which something happens right before the first of these calls."""

    def __init__(self, bucket: Bucket, call: str, happens) -> None:
        self._bucket, self._call, self._happens = bucket, call, happens

    def __getattr__(self, name):
        if name == self._call and self._happens is not None:
            happens, self._happens = self._happens, None
            happens()
        return getattr(self._bucket, name)


def test_an_indexer_that_is_overtaken_writes_no_row_of_what_was_deleted(world):
    grow(world, NAMES[:2])
    commit(world.bucket, *(a_manifest("a", name) for name in NAMES[2:]))
    bucket = world.bucket
    world.bucket = Meanwhile(
        bucket,
        "create_new",
        lambda: World.delete(world, "a", bucket=bucket, items=frozenset(NAMES[4:])),
    )
    world.index("a")
    assert world.items("a") == NAMES[:4]


def test_a_merge_that_is_overtaken_brings_nothing_back(world):
    grow(world, NAMES[:7], part_rows=1)
    bucket = world.bucket
    gone = frozenset(NAMES[:3])
    world.bucket = Meanwhile(
        bucket, "create", lambda: World.delete(world, "a", bucket=bucket, items=gone)
    )
    grow(world, NAMES[7:8])
    assert world.items("a") == NAMES[3:8]
    world.bucket = bucket
    index = IndexParts.of(bucket, "a")
    find = lambda: read_tombstones(bucket, "a")  # noqa: E731
    purge(index, job="a", find_deleted=find)
    assert purge(index, job="a", find_deleted=find) == 0
    assert world.items("a") == NAMES[3:8]


def test_a_fetch_that_is_overtaken_brings_a_result_whole_or_not_at_all(world, tmp_path):
    world.send("a", dict.fromkeys(("x", "y", "z"), "text"))
    done = 0

    def read_record_then_delete(path, **more):
        nonlocal done
        data = world.bucket.get(path, **more)
        done += 1
        if done == 2:  # the manifest of `y` has come, its artifacts have not
            world.delete("a")
        return data

    bucket = world.bucket.waiting(workers=1)
    bucket.get = read_record_then_delete
    report = fetch("a", tmp_path / "out", bucket=bucket, naming=world.naming)
    brought = list(report.results)
    assert done >= 2
    assert len(brought) < 3
    assert not any(one.problem for one in brought)
    for folder in (tmp_path / "out").iterdir():
        files = {path.name for path in folder.rglob("*") if path.is_file()}
        assert files in ({"copy.bin", "size.txt", "manifest.json"}, set()), folder


def test_who_may_not_read_tombstones_reads_the_index_all_the_same(world):
    """A reader's policy of before there were any."""
    grow(world, NAMES[:3])

    class Forbidding:
        def __getattr__(self, name):
            return getattr(world.bucket, name)

        def objects(self, prefix):
            if prefix.startswith("deletions/"):
                raise AccessDeniedError(prefix, "access denied")
            return world.bucket.objects(prefix)

    assert IndexParts.of(Forbidding(), "a").deleted().names == frozenset()


def test_what_is_no_tombstone_is_passed_over_and_named(world):
    grow(world, NAMES[:2])
    for name, data in {
        "x.txt": b"?",
        "0123456789ab.jsonl": b"{",
        "0123456789ac.jsonl": b'{"schema": "outbox.deletion/v9"}\n["a", "b"]\n',
    }.items():
        world.bucket.create(f"deletions/job=a/{name}", data)
    assert world.items("a") == NAMES[:2]
    read_tombstones(world.bucket, "a")
    assert len(world.bucket.foreign) == 3


# Other key templates


@pytest.mark.parametrize(
    "template",
    [
        "{item}/{job}",
        "{labels.parity}/{item}-x/{job}",
        "{job}-x/{item}",
        "job={job}/{hash2}/{item}",
    ],
)
def test_a_template_that_does_not_begin_with_the_job_keeps_jobs_apart(tmp_path, template):
    world = World(tmp_path, template)
    for job in ("a", "ab"):
        world.send(job, dict.fromkeys(("x", "x/y", "deadbeef"), f"text of {job}"))
        world.index(job)
    before = world.everything()
    done = world.delete("a")
    assert (done.results, done.artifacts, done.index_rows) == (3, 6, 3)
    after = world.everything()
    of_b = {key for key, data in before.items() if b"text of ab" in data or b'"ab"' in data}
    assert len(of_b) >= 7, sorted(of_b)
    assert {key: after.get(key) for key in of_b} == {key: before[key] for key in of_b}
    assert not {key for key, data in after.items() if data == b"text of a"}
    assert world.items("ab") == ["deadbeef", "x", "x/y"]
    world.check_whole()


def test_one_key_for_two_jobs_is_the_job_s_whose_result_is_there(tmp_path):
    world = World(tmp_path, "{item}")
    for job in ("first", "second"):
        world.send(job, {"x": "the same text"})
    before = world.everything()
    done = world.delete("second")
    assert (done.results, done.artifacts) == (0, 0)
    after = world.everything()
    for folder in ("manifests/", "artifacts/"):
        assert [key for key in after if key.startswith(folder)] == [
            key for key in before if key.startswith(folder)
        ]
    assert world.delete("first").results == 1


def test_what_an_item_and_an_attempt_may_both_be_goes_once_it_is_old(world):
    world.send("a", {"x": "text"})
    (manifest,) = (key for key in world.everything() if key.startswith("manifests/"))
    (artifact,) = (key for key in world.everything() if key.endswith("copy.bin"))
    attempt = artifact.split("/")[3]
    odd = f"artifacts/job=a/x/{attempt}/deadbeef/name.txt"  # of the attempt, or of item x/<attempt>
    world.bucket.create(odd, b"text")
    now = datetime.datetime.now(datetime.UTC)
    world.delete("a", items=frozenset({"x"}), now=now)
    assert not world.bucket.exists(manifest)
    assert world.bucket.exists(odd)
    world.delete("a", items=frozenset({"x"}), now=now + TOLD_LATER)
    assert not world.bucket.exists(odd)
