"""What this machine remembers of an index saves calls, and nothing else depends on it."""

import contextlib
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.listing import pages, spans
from outbox_client.bucket.listing.s3_pages import S3Page
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.indexing import listing
from outbox_client.indexing.build import index
from outbox_client.indexing.known import KnownManifests
from tests.outbox_client.committed import a_manifest, commit
from tests.outbox_client.indexing.test_indexing import items
from truss_outbox.contract.keys import manifest_key


class Counting(Bucket):
    """Counts what is read of objects, by folder, and what pages are listed."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket._store, root=bucket.root)
        self.reads: list[str] = []
        self.pages_listed = 0

    def get(self, key, **options):
        self.reads.append(key.partition("/")[0])
        return super().get(key, **options)

    def pages(self, prefix, *, after):
        for page in super().pages(prefix, after=after):
            self.pages_listed += 1
            yield page


def kept(home):
    (path,) = (home / "index").glob("*.sqlite3")
    return path


@pytest.fixture
def indexed(bucket, naming, job, tmp_path):
    """Twenty results in two parts, known below `home`."""
    home = tmp_path / "home"
    commit(bucket, *(a_manifest(job, f"{n:02}") for n in range(20)))
    index(job, bucket=bucket, naming=naming, home=home, part_rows=10)
    return home


def again(bucket, naming, job, home):
    """One more result is there; what indexing it reported, and read of the index."""
    commit(bucket, a_manifest(job, "new"))
    counting = Counting(bucket)
    report = index(job, bucket=counting, naming=naming, home=home)
    assert items(bucket, job) == [*(f"{n:02}" for n in range(20)), "new"]
    return (report.known, report.added), counting.reads


def test_a_refresh_reads_what_is_new(indexed, bucket, naming, job):
    counts, reads = again(bucket, naming, job, indexed)
    assert counts == (20, 1)
    assert reads.count("manifests") == 1
    assert reads.count("index") == 3  # whose parts they are, and the new one


def test_it_is_private(indexed):
    assert stat.S_IMODE(kept(indexed).stat().st_mode) == 0o600
    assert stat.S_IMODE(kept(indexed).parent.stat().st_mode) == 0o700


def absent(path):
    path.unlink()


def broken(path):
    path.write_bytes(b"no database" * 1000)


def torn(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def emptied(path):
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE manifests")
        connection.execute("DROP TABLE pieces")


def of_another_version(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize("spoil", [absent, broken, torn, emptied, of_another_version])
def test_without_it_or_with_a_broken_one_it_takes_longer(indexed, bucket, naming, job, spoil):
    spoil(kept(indexed))
    counts, _ = again(bucket, naming, job, indexed)
    assert counts == (20, 1)
    # And the next is quick again.
    counting = Counting(bucket)
    index(job, bucket=counting, naming=naming, home=indexed)
    index(job, bucket=counting, naming=naming, home=indexed)
    assert counting.reads.count("manifests") == 0


def test_a_home_that_cannot_be_written_costs_time_alone(bucket, naming, job, tmp_path):
    (tmp_path / "file").write_text("no folder")
    commit(bucket, a_manifest(job, "a"))
    home = tmp_path / "file" / "home"
    assert index(job, bucket=bucket, naming=naming, home=home).added == 1
    assert index(job, bucket=bucket, naming=naming, home=home).known == 1


def test_an_index_made_anew_is_read_anew(indexed, bucket, naming, job):
    for key in list(bucket.keys(f"index/job={job}/")):
        bucket.delete(key)
    report = index(job, bucket=bucket, naming=naming, home=indexed)
    assert (report.known, report.added) == (0, 20)
    counts, _ = again(bucket, naming, job, indexed)
    assert counts == (20, 1)


def test_an_index_that_another_made_anew_is_read_anew(indexed, bucket, naming, job):
    for key in list(bucket.keys(f"index/job={job}/")):
        bucket.delete(key)
    for name in ("00", "01"):
        bucket.delete(manifest_key(f"job={job}/{name}"))
    index(job, bucket=bucket, naming=naming, part_rows=5)
    commit(bucket, *(a_manifest(job, name) for name in ("00", "01")))
    counts, _ = again(bucket, naming, job, indexed)
    assert counts == (18, 3)


@pytest.mark.slow
def test_two_processes_share_it(indexed, bucket, naming, job):
    commit(bucket, *(a_manifest(job, f"{n:02}") for n in range(20, 60)))

    def go_on(part_rows):
        for _ in range(3):
            index(job, bucket=bucket, naming=naming, home=indexed, part_rows=part_rows)

    with ThreadPoolExecutor() as pool:
        for run in [pool.submit(go_on, part_rows) for part_rows in (3, 4, 5)]:
            run.result()
    assert items(bucket, job) == [f"{n:02}" for n in range(60)]


@pytest.fixture(params=[0, 10**6], ids=["as many are listed", "as few are listed"])
def small_spans(request, monkeypatch):
    monkeypatch.setattr(listing, "_MANY_SPANS", request.param)
    monkeypatch.setattr(listing, "_SPAN_KEYS", 3)
    monkeypatch.setattr(listing, "_MOST_SPAN_KEYS", 4)
    monkeypatch.setattr(spans, "_HELD_PAGES", 2)


@pytest.mark.usefixtures("small_spans")
def test_what_is_new_is_found_in_every_place(indexed, bucket, naming, job):
    new = ["", "00-", "09x", "11", "12%", "18a", "19-1", "19-2", "19-3", "zz"]
    new = [*new, *(f"5{n:02}" for n in range(30))]
    commit(bucket, *(a_manifest(job, name) for name in new if name != "11"))
    index(job, bucket=bucket, naming=naming, home=indexed)
    expected = {*(f"{n:02}" for n in range(20)), *new}
    assert items(bucket, job) == sorted(expected)


@pytest.mark.usefixtures("small_spans")
@pytest.mark.parametrize("gone", ["02", "05", "19"])
def test_a_manifest_that_somebody_deleted_hides_no_other(indexed, bucket, naming, job, gone):
    bucket.delete(manifest_key(f"job={job}/{gone}"))
    new = [f"{n:02}x" for n in range(20)]
    commit(bucket, *(a_manifest(job, name) for name in new))
    index(job, bucket=bucket, naming=naming, home=indexed)
    assert items(bucket, job) == sorted([*new, *(f"{n:02}" for n in range(20))])


@pytest.mark.usefixtures("small_spans")
def test_a_store_that_lists_folder_by_folder_hides_none(bucket, naming, job, tmp_path):
    """SeaweedFS has `a/x` before `a.json`: by their bytes it is the other way round."""

    def nested(*names):
        for name in names:
            key = f"job={job}/{name}"
            commit(bucket, a_manifest(job, name, key=key))

    nested("a", "a/1", "a/2", "a/3", "a-b/1", "a-b/2", "c/1", "c/2")
    for _ in range(2):  # after the second, the spans have digests
        index(job, bucket=bucket, naming=naming, home=tmp_path)
    nested("a-b", "a/0", "a/4", "c", "c/3", "b", "a-b/0")
    report = index(job, bucket=bucket, naming=naming, home=tmp_path)
    assert (report.known, report.added) == (8, 7)
    assert len(items(bucket, job)) == len(set(items(bucket, job))) == 15


@pytest.fixture
def looked_at(monkeypatch):
    """The ends of the spans whose paths are read one by one."""
    ends, within = [], KnownManifests.within

    def noted(known, span):
        ends.append(span.until)
        return within(known, span)

    monkeypatch.setattr(KnownManifests, "within", noted)
    return ends


@pytest.mark.usefixtures("small_spans")
def test_paths_are_read_where_something_is_new_alone(indexed, bucket, naming, job, looked_at):
    index(job, bucket=bucket, naming=naming, home=indexed)
    assert len(looked_at) == 7  # all spans, once
    looked_at.clear()
    index(job, bucket=bucket, naming=naming, home=indexed)
    assert looked_at == []
    commit(bucket, a_manifest(job, "07x"))
    assert index(job, bucket=bucket, naming=naming, home=indexed).added == 1
    assert looked_at == [f"manifests/job={job}/08.json"]
    looked_at.clear()
    for _ in range(2):  # the first finds that it is known
        index(job, bucket=bucket, naming=naming, home=indexed)
    assert looked_at == [f"manifests/job={job}/08.json"]


def test_pages_that_are_as_they_were_are_not_even_read(
    indexed, bucket, naming, job, monkeypatch, seaweedfs, root
):
    monkeypatch.setattr(listing, "_MANY_SPANS", 0)
    for name in ("_SPAN_KEYS", "_MOST_SPAN_KEYS"):
        monkeypatch.setattr(listing, name, 10)
    read, listed = [], S3Page.listed

    def noted(page):
        read.append(page.last_key)
        return listed(page)

    monkeypatch.setattr(S3Page, "listed", noted)
    many = open_bucket(root, endpoint_url=seaweedfs.endpoint_url)
    index(job, bucket=many, naming=naming, home=indexed)
    assert len(read) == 2  # of two spans, the last page reaches behind the first
    read.clear()
    index(job, bucket=many, naming=naming, home=indexed)
    assert read == []
    # What lies behind a span's end may change.
    commit(bucket, a_manifest(job, "15x"))
    index(job, bucket=many, naming=naming, home=indexed)
    assert len(read) == 1


def test_what_comes_after_as_many_pages_as_are_held_is_found(
    indexed, bucket, naming, job, monkeypatch
):
    monkeypatch.setattr(spans, "_HELD_PAGES", 10)  # of two: all that are known
    monkeypatch.setattr(pages, "_PAGE_KEYS", 2)
    index(job, bucket=bucket, naming=naming, home=indexed)
    commit(bucket, a_manifest(job, "20"))
    assert index(job, bucket=bucket, naming=naming, home=indexed).added == 1


@pytest.fixture
def known(tmp_path):
    with contextlib.closing(KnownManifests.opened(tmp_path / "known.sqlite3")) as opened:
        yield opened


def add(known, *names):
    known.add([], [names])


def paths(*names):
    return [f"manifests/{name}.json" for name in names]


def ends(known):
    return [span.until for span in known.spans(2, most=3)]


def test_spans_stay_where_they_are_until_they_have_outgrown(known):
    add(known, "b", "d", "f", "h", "k")
    assert ends(known) == [*paths("d", "h"), None]
    add(known, "e")
    assert ends(known) == [*paths("d", "h"), None]
    add(known, "g")
    assert ends(known) == [*paths("d", "f", "h"), None]
    add(known, "l", "m", "n")
    assert ends(known) == [*paths("d", "f", "h", "l", "n"), None]
    known.forget()
    assert ends(known) == [None]


def test_what_was_listed_before_all_was_forgotten_is_not_noted(known):
    add(known, "b", "d", "f")
    *_, last = known.spans(2, most=3)
    known.forget()  # as another process does, where the index was made anew
    (whole,) = known.spans(2, most=3)
    known.note(last, b"last")
    assert whole.until == last.until
    assert [span.digest for span in known.spans(2, most=3)] == [None]


def test_a_span_has_the_digest_that_was_noted_until_it_is_cut(known):
    add(known, "b", "d", "f")
    first, last = known.spans(2, most=3)
    assert (first.digest, last.digest) == (None, None)
    assert known.within(first) == paths("b", "d")
    assert known.within(last) == paths("f")
    known.note(first, b"first")
    known.note(last, b"last")
    add(known, "e")  # what is known grows, and what was listed stays
    assert [span.digest for span in known.spans(2, most=3)] == [b"first", b"last"]
    add(known, "g", "h")
    assert [span.digest for span in known.spans(2, most=3)] == [None] * 4
