"""Storing does not hold up the inference."""

import pytest

from scripts.bench.server import slot


@pytest.mark.slow
def test_a_slow_bucket_costs_no_throughput():
    report = slot.measure()
    assert "within the limit" in report, report
