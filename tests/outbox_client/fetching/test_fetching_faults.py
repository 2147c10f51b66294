"""When the bucket or the disk fails in the middle: one clear sentence, and the next run ends it."""

import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from outbox_client.bucket.bucket import Bucket
from outbox_client.fetching import installation
from outbox_client.fetching.download import PART_BYTES, STREAMS, parts_of
from tests.outbox_client.results import Results, files_below
from truss_outbox.contract.errors import AccessDeniedError, StoreUnavailableError

LARGE = random.Random(1).randbytes(2 * PART_BYTES + 1)


class Failing(Bucket):
    """Gives so many objects or parts, then raises."""

    def __init__(self, bucket: Bucket, error: Exception, *, after: int) -> None:
        super().__init__(bucket._store, root=bucket.root)
        self.error = error
        self.left = after

    def get(self, key, **options):
        self._count(key)
        return super().get(key, **options)

    def range_chunks(self, key, **options):
        self._count(key)
        return super().range_chunks(key, **options)

    def _count(self, key):
        if "artifacts/" in key:
            self.left -= 1
            if self.left < 0:
                raise self.error


@pytest.mark.parametrize("size", [5 << 20, PART_BYTES, 5 * PART_BYTES + 1, 1 << 30])
def test_parts_follow_one_another_and_do_not_end_together(size):
    parts = parts_of(size)
    assert [begin for begin, _ in parts] == [0, *(end for _, end in parts[:-1])]
    assert parts[-1][1] == size
    lengths = [end - begin for begin, end in parts]
    assert max(lengths) <= PART_BYTES
    if size == 1 << 30:
        assert len(set(lengths[:STREAMS])) == STREAMS
        assert len(parts) < 64
        assert sum(lengths[-STREAMS:]) <= PART_BYTES


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "bucket")


@pytest.mark.parametrize(
    "error", [StoreUnavailableError("x", "gone"), AccessDeniedError("x", "expired")]
)
def test_a_bucket_that_goes_away_ends_the_fetch_and_the_next_one_finishes(results, tmp_path, error):
    for number in range(300):
        results.commit(f"{number:03}", {"text.txt": b"text"})

    with pytest.raises(type(error)) as caught:
        results.fetch(tmp_path / "out", bucket=Failing(results.bucket, error, after=10))

    (note,) = caught.value.__notes__
    assert note == "at least 10 result(s) are here; fetch again to go on from there"
    assert len(list((tmp_path / "out").rglob("manifest.json"))) == 10
    assert not list((tmp_path / "out").rglob("*.part"))
    report = results.fetch(tmp_path / "out")
    assert (len(report.results), report.problems) == (300, [])
    assert sum(one.downloaded for one in report.results) == 290


def test_one_object_that_the_bucket_does_not_give_keeps_no_other_back(results, tmp_path):
    for number in range(5):
        results.commit(f"{number:03}", {"text.txt": b"text"})
    error = AccessDeniedError("x", "not this one")

    class OneDenied(Bucket):
        def get(self, key, **options):
            if "artifacts/job=J/003/" in key:
                raise error
            return super().get(key, **options)

    bucket = OneDenied(results.bucket._store, root=results.root)
    (problem,) = results.fetch(tmp_path / "out", bucket=bucket).problems
    assert (problem.item, problem.code) == ("003", "STORE_ACCESS_DENIED")


def test_a_large_file_is_resumed_where_it_broke_off(results, tmp_path):
    results.commit("large", {"film.bin": LARGE})
    broken = Failing(results.bucket, StoreUnavailableError("x", "gone"), after=5)
    with pytest.raises(StoreUnavailableError):
        results.fetch(tmp_path / "out", bucket=broken)
    (part,) = (tmp_path / "out" / "large").iterdir()
    whole = sum(end <= part.stat().st_size for _, end in parts_of(len(LARGE)))
    assert whole >= 5

    # The last ones may have been under way at the same time, and are not trusted.
    needed = len(parts_of(len(LARGE))) - whole + STREAMS
    enough = Failing(results.bucket, AssertionError("more than was missing"), after=needed)
    (result,) = results.fetch(tmp_path / "out", bucket=enough).results
    assert (result.problem, result.downloaded) == (None, 1)
    assert set(files_below(tmp_path / "out")) == {"large/film.bin", "large/manifest.json"}
    assert (tmp_path / "out" / "large" / "film.bin").read_bytes() == LARGE


def test_what_an_earlier_run_left_is_not_trusted(results, tmp_path):
    results.commit("large", {"film.bin": LARGE})
    with pytest.raises(StoreUnavailableError):
        results.fetch(
            tmp_path / "out",
            bucket=Failing(results.bucket, StoreUnavailableError("x", "gone"), after=5),
        )
    (part,) = (tmp_path / "out" / "large").iterdir()
    part.write_bytes(b"damaged" + LARGE[7:-PART_BYTES])

    assert not results.fetch(tmp_path / "out").problems
    assert (tmp_path / "out" / "large" / "film.bin").read_bytes() == LARGE


def test_a_large_file_that_is_not_what_it_should_be_leaves_nothing(results, tmp_path):
    key = results.commit("large", {"film.bin": LARGE})
    (path,) = (results.directory / "artifacts" / key).rglob("film.bin")
    path.write_bytes(bytes([LARGE[0] ^ 1]) + LARGE[1:])
    (problem,) = results.fetch(tmp_path / "out").problems
    assert problem.code == "CORRUPT_ARTIFACT"
    assert files_below(tmp_path / "out") == {}


def test_many_large_files_at_once_share_what_memory_there_is(results, tmp_path):
    files = {"a.bin": LARGE[: (9 << 20) + 1], "b.bin": LARGE[: 1 << 20], "c": b"c" * (1 << 20)}
    for number in range(18):
        results.commit(f"{number}", files)
    report = results.fetch(tmp_path / "out")
    assert not report.problems
    assert sum(one.downloaded for one in report.results) == 18 * 3


@pytest.fixture
def shell(results, tmp_path):
    """Runs a shell script in which `fetch` is ours; returns its exit code and what it says."""

    def shell(script: str, *before: str) -> tuple[int, str]:
        command = f"{sys.executable} -m outbox_client fetch J --to {tmp_path}/disk/out"
        answer = subprocess.run(
            [*before, "sh", "-c", f'fetch() {{ {command} >>"$0"; }}; {script}', tmp_path / "out"],
            cwd=Path(__file__).parents[3],
            env={**os.environ, "OUTBOX_ROOT": results.root, "OUTBOX_HOME": str(tmp_path)},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        return answer.returncode, answer.stderr

    (tmp_path / "disk").mkdir()
    return shell


def can_mount() -> bool:
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return (
        shutil.which("unshare") is not None and not subprocess.run(command, check=False).returncode
    )


needs_a_disk = pytest.mark.skipif(not can_mount(), reason="no disk can be mounted here")


@needs_a_disk
def test_a_full_disk_says_what_to_do_and_with_room_the_fetch_finishes(results, shell, tmp_path):
    for number in range(40):
        results.commit(f"{number}", {"a.bin": LARGE[:100_000]})
    disk = tmp_path / "disk"
    _, said = shell(
        f"mount -t tmpfs -o size=2m none {disk}; fetch; echo exit $? >&2;"
        f" mount -o remount,size=20m {disk}; fetch; echo exit $? >&2;"
        f" find {disk} -name manifest.json | wc -l >&2; find {disk} -name '*.part' >&2",
        *("unshare", "-rm"),
    )
    assert "No space left on device; free some space or fetch to another disk" in said
    assert "fetch again to go on" in said
    assert [line for line in said.splitlines() if line.startswith("exit")] == ["exit 3", "exit 0"]
    assert said.splitlines()[-1] == "40"


@needs_a_disk
def test_a_read_only_directory_says_what_to_do(results, shell, tmp_path):
    results.commit("a", {"a.bin": b"a"})
    disk = tmp_path / "disk"
    code, said = shell(f"mount -t tmpfs -o ro none {disk}; fetch", "unshare", "-rm")
    assert code == 3
    assert "make it writable or fetch to another directory" in said


def test_a_file_that_the_disk_does_not_take_keeps_no_other_back(results, shell, tmp_path):
    results.commit("large", {"a.bin": LARGE[:200_000]})
    results.commit("small", {"a.bin": b"a"})
    code, said = shell("ulimit -f 100; fetch")
    assert code == 1
    assert "File too large; fetch to a disk that takes larger files" in said
    assert set(files_below(tmp_path / "disk")) == {"out/small/a.bin", "out/small/manifest.json"}
    assert shell("fetch")[0] == 0
    assert len(files_below(tmp_path / "disk")) == 4


@pytest.mark.parametrize("is_slow", [False, True])
def test_files_are_written_in_threads_where_the_disk_is_slow(
    results, tmp_path, monkeypatch, is_slow
):
    if is_slow:
        monkeypatch.setattr("outbox_client.local_files._SLOW_SECONDS", 0.0)
    for number in range(100):
        results.commit(f"{number:03}", {"text.txt": f"{number}".encode(), "data.bin": b"x"})
    threads = set()
    write = installation.write_new

    def written(path, data):
        threads.add(threading.current_thread())
        write(path, data)

    monkeypatch.setattr(installation, "write_new", written)
    report = results.fetch(tmp_path / "out")
    assert (report.whole, report.files) == (100, 200)
    assert (tmp_path / "out" / "042" / "text.txt").read_bytes() == b"42"
    assert (len(threads) > 1) == is_slow
