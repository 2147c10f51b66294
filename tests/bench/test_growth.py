"""The growth table and the client's bench run from their commands."""

import pytest

from scripts.bench.client import measure as client
from scripts.bench.scale import growth
from scripts.bench.scale.connection import Request
from scripts.bench.scale.synthetic_service import Submits, SyntheticService


def test_a_rate_counts_what_came_and_the_longest_gap_reaches_to_the_end():
    submits = Submits(taken=[0.0, 0.5, 0.6, 2.5], refused=0)
    assert submits.rate(2.0) == 1.5
    assert submits.longest_gap(2.0) == pytest.approx(1.4)


def test_the_service_takes_two_hundred_submits_in_a_second_and_no_more():
    service = SyntheticService()
    submit = Request(method="POST", path="/async_predict", query={}, headers={}, body=b"{}")
    assert [service.answer(submit).status for _ in range(201)] == [201] * 200 + [429]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("teams", ["0", "100"])
def test_every_row_of_the_growth_table_is_measured(teams):
    head, _, *rows = growth.measure("--quick", "1000", "--teams", teams).splitlines()
    assert head.startswith("| what | results | calls |")
    titles = [row.split(" | ")[0].removeprefix("| ") for row in rows]
    assert titles == [row.title for row in growth.ROWS]
    assert ">" not in "".join(rows)
    # What the bench has put on the disk is what fetch leaves there.
    calls = {row.split(" | ")[0]: int(row.split(" | ")[2].replace(",", "")) for row in rows}
    assert calls["| fetch again"] < 10
    assert "submits/s, worst stall" in rows[1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_clients_bench_measures_far_away_too():
    said = client.measure("--quick", "--latency=0.02", "--bits-per-second=1e9", "s5cmd")
    assert said.count("ours / s5cmd") == 3
