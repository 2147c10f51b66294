"""Time that a test lets pass."""

import time

import pytest

from local_baseten.running import running_locally
from local_baseten.state_directory import MovableClock
from tests.local_baseten.caller import calling
from tests.local_baseten.conftest import TRUSSES
from tests.waiting import until


def test_a_clock_goes_right_until_it_is_moved_and_all_who_have_it_follow(tmp_path):
    one, other = (MovableClock.open(tmp_path / "clock") for _ in range(2))
    assert abs(one() - time.time()) < 60

    one.advance(1_000)
    one.advance(500)

    assert other.moved_by == MovableClock.open(tmp_path / "clock").moved_by == 1_500
    assert abs(other() - time.time() - 1_500) < 60


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_time_does_not_go_back(tmp_path, seconds):
    with pytest.raises(ValueError, match="back"):
        MovableClock.open(tmp_path / "clock").advance(seconds)


def test_72_hours_pass_in_a_moment(tmp_path):
    gate, record = tmp_path / "gate", tmp_path / "record"
    with (
        running_locally(
            TRUSSES / "obedient",
            state_directory=tmp_path / "state",
            status_per_second=1_000,
        ) as local,
        calling(local, record) as caller,
    ):
        started = time.monotonic()
        running = caller.submit("running", gate=str(gate))
        caller.until_running(running)
        queued = caller.submit("queued", options={"max_time_in_queue_seconds": 72 * 3_600})

        local.advance(72 * 3_600 - 600)
        assert caller.status(queued)["status"] == "QUEUED"
        local.advance(600)
        assert caller.status(queued)["status"] == "EXPIRED"
        local.advance(3_600)
        assert caller.http.get(f"/async_request/{queued}").status_code == 404

        gate.touch()
        assert caller.final_status(running)["status"] == "SUCCEEDED"
        assert time.monotonic() - started < 60
        failing = caller.submit(
            "failing",
            fail=[500],
            options={
                "inference_retry_config": {"initial_delay_ms": 10_000, "max_delay_ms": 60_000}
            },
        )
        until(lambda: "trying again in 10.0 s" in local.log.read_text(), "the first attempt")
        local.advance(10)
        assert caller.final_status(failing)["status"] == "SUCCEEDED"
