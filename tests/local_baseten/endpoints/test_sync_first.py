"""Sync calls while many async requests wait."""

import statistics
import time
from pathlib import Path

from local_baseten.running import running_locally
from tests.local_baseten.caller import Caller, calling
from tests.local_baseten.conftest import TRUSSES

INFERENCE_SECONDS = 0.1
OTHERS_SECONDS = 0.1
"""What a machine that is busy with other things may add."""


def test_behind_100_async_requests_a_sync_call_waits_for_one_inference(tmp_path: Path):
    with (
        running_locally(
            TRUSSES / "obedient", state_directory=tmp_path / "state", submits_per_second=1_000
        ) as local,
        calling(local, tmp_path / "record") as caller,
    ):
        alone = p95(caller)
        gate = tmp_path / "gate"
        caller.submit(gate=str(gate))
        for _ in range(100):
            caller.submit(seconds=INFERENCE_SECONDS)
        gate.touch()
        behind = p95(caller)
        queued = caller.http.get("/production/async_queue_status").json()

    assert queued["num_queued_requests"] > 50
    assert behind <= INFERENCE_SECONDS + alone + OTHERS_SECONDS


def p95(caller: Caller) -> float:
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        assert caller.predict(seconds=INFERENCE_SECONDS).status_code == 200
        seconds.append(time.perf_counter() - start)
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]
