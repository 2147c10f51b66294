"""Load, kill -9 at a random moment, start again: what was accepted runs, and ends once."""

import collections
import contextlib
import os
import random
import re
import signal
import threading
from pathlib import Path

import httpx
import pytest

from local_baseten.request_queue.database import Database
from local_baseten.request_queue.request import Status
from local_baseten.request_queue.requests import RequestQueue
from local_baseten.running import LocalBaseten, running_locally
from tests.local_baseten.conftest import TRUSSES
from tests.waiting import until

API_KEY = "a key"
HEADERS = {"authorization": f"Api-Key {API_KEY}"}


@contextlib.contextmanager
def load(local: LocalBaseten, accepted: list[str]):
    """Two callers who submit until the service is gone."""

    def submit() -> None:
        with (
            contextlib.suppress(httpx.TransportError),
            httpx.Client(base_url=local.base_url, headers=HEADERS, timeout=30) as client,
        ):
            while True:
                body = {"model_input": {}, "max_time_in_queue_seconds": 259_200}
                answer = client.post("/production/async_predict", json=body)
                if answer.status_code == 201:
                    accepted.append(answer.json()["request_id"])

    callers = [threading.Thread(target=submit) for _ in range(2)]
    for caller in callers:
        caller.start()
    yield
    for caller in callers:
        caller.join()


def is_done(local: LocalBaseten) -> bool:
    answer = httpx.get(f"{local.base_url}/production/async_queue_status", headers=HEADERS)
    counts = answer.json()
    return counts["num_queued_requests"] + counts["num_in_progress_requests"] == 0


# test_surviving.py has one kill in the quick suite.
@pytest.mark.slow
@pytest.mark.parametrize("rounds", [2, 50])
@pytest.mark.timeout(1_800)
def test_every_accepted_request_ends_in_one_success(tmp_path: Path, rounds):
    accepted: list[str] = []
    random_moment = random.Random(rounds)
    for _ in range(rounds):
        with running_locally(
            TRUSSES / "echo",
            state_directory=tmp_path,
            api_key=API_KEY,
            concurrency_target=4,
            submits_per_second=10_000,
        ) as local:
            enough = len(accepted) + random_moment.randint(1, 150)
            with load(local, accepted):
                until(lambda enough=enough: len(accepted) >= enough, "enough load", seconds=60)
                os.kill(local.processes().stand_in, signal.SIGKILL)

    with running_locally(
        TRUSSES / "echo", state_directory=tmp_path, api_key=API_KEY, concurrency_target=4
    ) as local:
        until(lambda: is_done(local), "the end of all requests", seconds=180, every=0.1)

    with contextlib.closing(Database.open(tmp_path / "queue.sqlite3")) as database:
        queue = RequestQueue(database)
        ends = collections.Counter(
            request.status if (request := queue.find(name)) else None for name in accepted
        )
    log = local.log.read_text()
    successes = collections.Counter(re.findall(r"done  request_id=(\w+)  status=SUCCEEDED", log))
    assert ends == {Status.SUCCEEDED: len(accepted)}
    assert log.count("the model is ready") == rounds + 1
    assert max(successes.values()) == 1
