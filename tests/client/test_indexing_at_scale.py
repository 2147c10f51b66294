"""Indexers that are killed, and jobs that are large."""

import subprocess
import sys

import pytest

from scripts.client.bucket_opening import open_bucket
from tests.client.committed import a_manifest, commit
from tests.client.test_indexing import items
from tests.tiny_truss import PROJECT
from tests.waiting import until

INDEXER = """
import resource, sys
from model.artifacts import KeyTemplate
from scripts.client import Naming, index
from scripts.client.bucket_opening import open_bucket

root, part_rows = sys.argv[1:]
naming = Naming(template=KeyTemplate.parse("job={job}/{item}"))
index("j", bucket=open_bucket(root), naming=naming, part_rows=int(part_rows))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture
def bucket(tmp_path):
    return open_bucket(f"file://{tmp_path}/results")


def start(bucket, part_rows=10_000) -> subprocess.Popen:
    command = [sys.executable, "-c", INDEXER, bucket.root, str(part_rows)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)


def _wait_for(seen, pair) -> None:
    until(lambda: seen() or all(one.poll() is not None for one in pair), "parts", every=0.005)


@pytest.mark.slow
def test_two_indexers_killed_again_and_again_index_each_result_once(bucket):
    def parts() -> int:
        return len(list(bucket.keys("index/job=j/")))

    killed = 0
    for generation in range(6):
        commit(bucket, *(a_manifest("j", f"{generation}-{n}") for n in range(200)))
        enough = parts() + generation % 3
        pair = [start(bucket, part_rows=10), start(bucket, part_rows=15)]
        # At another moment each time: at the first file, or some later.
        _wait_for(lambda enough=enough: parts() > enough, pair)
        for one in pair:
            one.kill()
            killed += one.wait() == -9
            one.stdout.close()
    last = start(bucket, part_rows=10)
    last.communicate(timeout=120)
    assert last.returncode == 0
    assert killed > 3
    assert items(bucket, "j") == sorted(f"{g}-{n}" for g in range(6) for n in range(200))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_job(bucket):
    def peak_mib() -> float:
        out, _ = start(bucket).communicate(timeout=240)
        return int(out) / 1024

    commit(bucket, *(a_manifest("j", f"few-{n}") for n in range(12_000)))
    few = peak_mib()
    commit(bucket, *(a_manifest("j", f"many-{n}") for n in range(48_000)))
    assert peak_mib() < few + 30
