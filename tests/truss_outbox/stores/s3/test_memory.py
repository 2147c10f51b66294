"""A large file takes no more memory to store than a small one."""

import pytest

from scripts.bench.store.memory import MIB, peak_of_storing


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_does_not_grow_with_the_size_of_a_file(seaweedfs):
    assert peak_of_storing(seaweedfs, 2 << 30) - peak_of_storing(seaweedfs, MIB) < 64
