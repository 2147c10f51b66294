"""Indexers that are killed."""

import subprocess
import sys

import pytest

from outbox_client.bucket.open_bucket import open_bucket
from tests.outbox_client.committed import a_manifest, commit
from tests.outbox_client.indexing.test_indexing import items
from tests.tiny_truss import PROJECT
from tests.waiting import until

INDEXER = """
import sys
from truss_outbox.contract.keys import KeyTemplate
from outbox_client import Naming, index
from outbox_client.bucket.open_bucket import open_bucket

root, part_rows = sys.argv[1:]
naming = Naming(template=KeyTemplate.parse("job={job}/{item}"))
index("j", bucket=open_bucket(root), naming=naming, part_rows=int(part_rows))
"""


@pytest.fixture
def bucket(tmp_path):
    return open_bucket(f"file://{tmp_path}/results")


def start(bucket, part_rows) -> subprocess.Popen:
    command = [sys.executable, "-c", INDEXER, bucket.root, str(part_rows)]
    return subprocess.Popen(command, cwd=PROJECT)


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
    last = start(bucket, part_rows=10)
    last.wait(timeout=120)
    assert last.returncode == 0
    assert killed > 3
    assert items(bucket, "j") == sorted(f"{g}-{n}" for g in range(6) for n in range(200))
