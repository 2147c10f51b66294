"""A long document takes no more memory than a short one."""

import pytest

from scripts.bench.server import memory


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_does_not_grow_with_the_number_of_pages():
    assert memory.peak_of_reading(60) - memory.peak_of_reading(4) < 100
