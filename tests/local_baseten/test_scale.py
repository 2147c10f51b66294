"""Thirty thousand requests wait, and nothing takes longer for it."""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator

import pytest

from local_baseten.request_queue.database import Database
from local_baseten.request_queue.request import AsyncRequest, RetryPolicy
from local_baseten.request_queue.requests import RequestQueue

FEW, MANY, ROUNDS = 1_000, 30_000, 400


def a_request(name: str, number: int) -> AsyncRequest:
    return AsyncRequest(
        request_id=name,
        deployment_id="production",
        model_input='{"document": {"input": "inputs/0"}}',
        priority=number % 3,
        created_at=0,
        status_at=0,
        expires_at=1_000 + number,
        retry=RetryPolicy(),
    )


@pytest.fixture(scope="module")
def queues(tmp_path_factory) -> Iterator[dict[int, RequestQueue]]:
    """By the number of requests that wait."""
    directory = tmp_path_factory.mktemp("queues")
    with contextlib.ExitStack() as stack:
        queues = {}
        for size in (FEW, MANY):
            database = stack.enter_context(contextlib.closing(Database.open(directory / str(size))))
            # What a call computes is compared, not how long the disk takes.
            database._connection.execute("PRAGMA synchronous = OFF")
            queues[size] = RequestQueue(database, clock=lambda: 1.0)
            with database.transaction():
                for number in range(size):
                    queues[size].add(a_request(f"{number:032x}", number))
        yield queues


CALLS: dict[str, Callable[[RequestQueue, int, int], object]] = {
    "submit": lambda queue, size, number: queue.add(a_request(f"more {number}", number)),
    "status": lambda queue, size, number: queue.find(f"{number * 7 % size:032x}"),
    "claim": lambda queue, size, number: queue.claim(),
    "queue status": lambda queue, size, number: queue.counts(),
}


@pytest.mark.parametrize("name", CALLS)
def test_with_thirty_thousand_waiting_a_call_takes_at_most_twice_as_long(queues, name):
    """Both queues in turn, so that whatever else the machine does falls on both."""
    taken: dict[int, list[float]] = {FEW: [], MANY: []}
    for number in range(ROUNDS):
        for size, queue in queues.items():
            start = time.perf_counter()
            CALLS[name](queue, size, number)
            taken[size].append(time.perf_counter() - start)

    few, many = (statistics.median(taken[size]) for size in (FEW, MANY))
    assert many <= 2 * few
