"""Inputs put into the bucket before their requests are sent."""

import hashlib
import os
import sys
from pathlib import Path

import pytest

from outbox_client.sending.large_inputs import IN_MEMORY_BYTES, stage_file
from scripts.bench.measuring import timed

PROJECT = Path(__file__).parents[3]


def test_files_of_all_sizes_are_stored_under_their_hash(bucket, tmp_path):
    for size in (0, 1, 300 << 10, IN_MEMORY_BYTES, IN_MEMORY_BYTES + 1):
        (tmp_path / str(size)).write_bytes(os.urandom(size))
    keys = {path: stage_file(path, bucket) for path in tmp_path.iterdir()}
    assert len(keys) == 5
    for path, key in keys.items():
        assert key == f"inputs/{hashlib.sha256(path.read_bytes()).hexdigest()}"
        assert bucket.get(key) == path.read_bytes()


@pytest.mark.slow
def test_many_large_files_at_once_hold_little_memory(seaweedfs, root, tmp_path):
    for number in range(10):
        with (tmp_path / str(number)).open("wb") as file:
            file.write(os.urandom(16))
            file.truncate(48 << 20)
    run = timed(
        [[sys.executable, "-m", "scripts.bench.client.objects", "stage", str(tmp_path)]],
        directory=PROJECT,
        environment={**os.environ, **seaweedfs.environment, "OUTBOX_ROOT": root},
    )
    assert run.peak < 256
