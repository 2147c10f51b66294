"""Many small parts become few large ones; cursors, readers and other indexers do not notice."""

import contextlib
import io
import itertools
import random

import pytest
from pyarrow import parquet

from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.indexing.build import index
from outbox_client.indexing.compaction import FAN_IN, MERGED_BYTES, compact, due
from outbox_client.indexing.parts import IndexParts, Part
from outbox_client.indexing.results import results
from tests.outbox_client.committed import a_manifest, commit
from tests.outbox_client.indexing.test_indexing import Door, items
from truss_outbox.contract.errors import AccessDeniedError


@pytest.fixture
def local(tmp_path):
    return open_bucket(f"file://{tmp_path}/results")


def grow(bucket, job, naming, names, **options) -> None:
    """A part for each name."""
    for name in names:
        commit(bucket, a_manifest(job, name))
        index(job, bucket=bucket, naming=naming, **options)


def grown(bucket, job, naming, names) -> None:
    """A part for each name, and none merged."""
    commit(bucket, *(a_manifest(job, name) for name in names))
    index(job, bucket=NeverDeletes(bucket), naming=naming, part_rows=1)


def parts(bucket, job) -> list[str]:
    return sorted(key.rpartition("/")[2] for key in bucket.keys(f"index/job={job}/"))


def read(bucket, job, since=None) -> list[tuple[str, str]]:
    found = results(bucket.root, job, since=since, refresh=False)
    return [(one.manifest.item, one.cursor) for one in found]


def test_eight_neighbours_become_one(local, naming, job):
    grow(local, job, naming, [f"{n:02}" for n in range(10)])
    assert parts(local, job) == [
        "part-00000000-00000007.parquet",
        "part-00000008.parquet",
        "part-00000009.parquet",
    ]
    assert items(local, job) == [f"{n:02}" for n in range(10)]
    merged = local.get(f"index/job={job}/part-00000000-00000007.parquet")
    single = local.get(f"index/job={job}/part-00000008.parquet")
    columns = [parquet.read_schema(io.BytesIO(data)).names for data in (merged, single)]
    assert columns[0] == columns[1]


def test_a_thousand_parts_leave_thirty_at_most():
    kept: list[Part] = []
    for number in range(1000):
        kept.append(Part(first=number, last=number, key=f"{number}", size=9_000))
        for group in due(kept):
            merged = Part(first=group[0].first, last=group[-1].last, key="m", size=9_000)
            kept = sorted({*kept} - {*group} | {merged}, key=lambda part: part.first)
        assert [a.last + 1 for a in kept[:-1]] == [b.first for b in kept[1:]]
        assert len(kept) <= 30


def test_parts_that_are_large_together_stay():
    large = [Part(first=n, last=n, key=f"{n}", size=MERGED_BYTES // 4) for n in range(64)]
    assert due(large) == []
    some = [Part(first=n, last=n, key=f"{n}", size=100) for n in range(64, 72)]
    assert due([*large, *some]) == [some]


MANY = pytest.param(FAN_IN * FAN_IN + 3, marks=pytest.mark.slow)


@pytest.mark.parametrize("many", [FAN_IN, 9, 20, MANY])
def test_cursors_of_before_go_on_at_their_place(local, naming, job, many):
    """Also those of an index that was not merged for long."""
    names = [f"{n:03}" for n in range(many)]
    grown(local, job, naming, names)
    before = read(local, job)
    assert len(parts(local, job)) >= many
    index(job, bucket=local, naming=naming)
    assert len(parts(local, job)) < many
    assert read(local, job) == before
    for place, (_, cursor) in list(enumerate(before))[:: max(1, many // 10)]:
        assert read(local, job, cursor) == before[place + 1 :]


class NeverDeletes(Bucket):
    """A bucket that lets nothing go."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket._store, root=bucket.root)

    def delete(self, key: str) -> None:
        raise AccessDeniedError(key, "no")


def test_where_nothing_may_be_deleted_nothing_is_merged(local, naming, job):
    """It would be there twice for good."""
    grown(local, job, naming, [f"{n}" for n in range(9)])
    assert [name for name in parts(local, job) if name.startswith("part-")] == [
        f"part-{n:08}.parquet" for n in range(9)
    ]
    assert items(local, job) == [f"{n}" for n in range(9)]
    assert list(local.foreign) == []


def test_parts_of_several_rows_keep_every_position(local, naming, job):
    rng = random.Random(4)
    for _ in range(9):
        commit(local, *(a_manifest(job, f"{rng.random()}") for _ in range(rng.randint(1, 5))))
        index(job, bucket=NeverDeletes(local), naming=naming)
    before = read(local, job)
    index(job, bucket=local, naming=naming)
    assert read(local, job) == before
    for place, (_, cursor) in enumerate(before):
        assert read(local, job, cursor) == before[place + 1 :]


def test_a_writer_that_comes_late_creates_no_part_that_counts(local, naming, job):
    """While it read, others have filled its number, and merged, and deleted what was there."""
    grow(local, job, naming, ["a"])
    commit(local, a_manifest(job, "late"))
    turns = []

    def overtaken(create):
        turns.append(1)
        if len(turns) == 1:
            grow(local, job, naming, [f"{n}" for n in range(FAN_IN)])
            assert "part-00000001.parquet" not in parts(local, job)
        create()

    report = index(job, bucket=Door(local, overtaken), naming=naming)
    assert (report.added, report.known) == (0, FAN_IN + 2)
    index(job, bucket=local, naming=naming)
    assert items(local, job) == sorted(["a", "late", *(f"{n}" for n in range(FAN_IN))])


def test_what_a_late_writer_left_before_it_died_does_not_count(local, naming, job):
    grow(local, job, naming, [f"{n}" for n in range(FAN_IN)])
    left = local.get(f"index/job={job}/part-00000000-00000007.parquet")
    local.create(f"index/job={job}/part-00000003.parquet", left)
    assert [item for item, _ in read(local, job)] == [f"{n}" for n in range(FAN_IN)]
    grow(local, job, naming, ["z"])
    assert parts(local, job) == ["part-00000000-00000007.parquet", "part-00000008.parquet"]


def test_a_merge_that_ended_before_it_deleted_is_ended_by_the_next_run(local, naming, job):
    class Dies(Bucket):
        def delete_many(self, keys, told) -> None:
            raise KeyboardInterrupt

    names = [f"{n}" for n in range(FAN_IN)]
    grow(local, job, naming, names[:-1])
    dying = Dies(local._store, root=local.root)
    with pytest.raises(KeyboardInterrupt):
        grow(dying, job, naming, names[-1:])
    assert len(parts(local, job)) == FAN_IN + 1
    assert [item for item, _ in read(local, job)] == names
    assert index(job, bucket=local, naming=naming).known == FAN_IN
    assert parts(local, job) == ["part-00000000-00000007.parquet"]


def test_who_reads_while_it_is_merged_goes_on_in_the_merged_part(local, naming, job):
    grown(local, job, naming, [f"{n}" for n in range(FAN_IN + 3)])
    before = read(local, job)
    reading = results(local.root, job, refresh=False)
    came = list(itertools.islice(reading, 3))
    index(job, bucket=local, naming=naming)
    came += reading
    assert [(one.manifest.item, one.cursor) for one in came] == before


def test_a_part_with_columns_of_a_later_version_is_left_alone(local, naming, job):
    grown(local, job, naming, [f"{n}" for n in range(FAN_IN)])
    key = f"index/job={job}/part-00000002.parquet"
    table = parquet.read_table(io.BytesIO(local.get(key)))
    newer = io.BytesIO()
    parquet.write_table(table.append_column("later", [["x"]]), newer)
    local.put(key, newer.getvalue())
    index(job, bucket=local, naming=naming)
    assert len(parts(local, job)) == FAN_IN


def test_a_merge_reads_the_index_of_now_and_not_one_of_before(local, naming, job):
    """Between its reading and its creating, the index was deleted and made anew."""
    grown(local, job, naming, [f"{n}" for n in range(FAN_IN)])

    class Anew(IndexParts):
        def read(self):
            for key in list(local.keys(f"index/job={job}/")):
                local.delete(key)
            return super().read()

    anew = Anew.of(local, job)
    compact(anew, IndexParts.of(local, job).read(), job=job)
    assert parts(local, job) == []


class CutOff(Bucket):
    """Interrupted at the call of that number."""

    def __init__(self, bucket: Bucket, *, calls: int) -> None:
        super().__init__(bucket._store, root=bucket.root)
        self._left, self._call = calls, self.calls.call
        self.calls.call = self._counted

    def _counted(self, key, call, **options):
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        return self._call(key, call, **options)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))]
)
def test_each_result_comes_once_whatever_happens_meanwhile(local, naming, job, seed, tmp_path):
    """Two indexers, one of them cut off at any call, and readers that keep their cursors."""
    rng = random.Random(seed)
    committed: list[str] = []
    came: list[list[str]] = [[], []]
    cursors: list[str | None] = [None, None]

    def go_on(who: int, most: int | None) -> None:
        found = results(local.root, job, since=cursors[who], refresh=False)
        for one in itertools.islice(found, most):
            came[who].append(one.manifest.item)
            cursors[who] = one.cursor

    for _ in range(40):
        match rng.randrange(4):
            case 0:
                names = [f"{rng.random()}" for _ in range(3)]
                commit(local, *(a_manifest(job, name) for name in names))
                committed += names
            case 1:
                index(job, bucket=local, naming=naming, home=tmp_path / "one", part_rows=2)
            case 2:
                with contextlib.suppress(KeyboardInterrupt):
                    cut = CutOff(local, calls=rng.randint(1, 40))
                    index(job, bucket=cut, naming=naming, home=tmp_path / "two", part_rows=1)
            case _:
                go_on(rng.randrange(2), rng.randint(1, 9))
    index(job, bucket=local, naming=naming, home=tmp_path / "two")
    for who in range(2):
        go_on(who, None)
        assert sorted(came[who]) == sorted(committed)
    assert came[0] == came[1]
    assert items(local, job) == sorted(committed)
