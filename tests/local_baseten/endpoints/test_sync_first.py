"""Sync calls while many async requests wait."""

import statistics
import time
from pathlib import Path

import pytest

from tests.local_baseten.caller import Caller

INFERENCE_SECONDS = 0.1
OTHERS_SECONDS = 0.1
"""What a machine that is busy with other things may add."""


@pytest.mark.slow
def test_behind_100_async_requests_a_sync_call_waits_for_one_inference(
    caller: Caller, tmp_path: Path
):
    alone = typical(caller)
    gate = tmp_path / "gate"
    caller.submit(gate=str(gate))
    waiting = [caller.submit(seconds=INFERENCE_SECONDS) for _ in range(100)]
    gate.touch()
    behind = typical(caller)
    queued = caller.http.get("/production/async_queue_status").json()
    for request_id in waiting:
        caller.http.delete(f"/async_request/{request_id}")

    assert queued["num_queued_requests"] > 50
    assert behind <= INFERENCE_SECONDS + alone + OTHERS_SECONDS


def typical(caller: Caller) -> float:
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        assert caller.predict(seconds=INFERENCE_SECONDS).status_code == 200
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
