"""Thirty thousand requests wait, or a million, and nothing takes longer for it."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator

import pytest
from starlette.requests import Request

from local_baseten.request_queue.database import Database
from local_baseten.request_queue.group_commit import GroupCommit
from local_baseten.request_queue.request import AsyncRequest, RetryPolicy
from local_baseten.request_queue.requests import RequestQueue
from tests.local_baseten.conftest import Bare

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


FILL = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
INSERT INTO requests (
    request_id, deployment_id, priority, status, phase, due_at, created_at, status_at, expires_at,
    max_attempts, initial_delay_ms, max_delay_ms, webhook_status, is_chain, model_input
)
SELECT
    '{phase} ' || n, 'production', n % 3, '{status}', '{phase}', {due_at}, 0, n / 1e6, {due_at},
    3, 1000, 5000, 'NO_WEBHOOK_PROVIDED', 0, '{{"document": {{"input": "inputs/0"}}}}'
FROM numbers
"""
"""As many requests as that, in one statement: by itself, each would take the test minutes."""
MOST_SECONDS = 0.1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_million_wait_a_hundred_thousand_have_ended_and_every_answer_is_quick(tmp_path):
    path, now = tmp_path / "queue.sqlite3", [1.0]
    with contextlib.closing(Database.open(path)) as database:
        queue = RequestQueue(database, clock=lambda: now[0])
        waiting, ended = (
            FILL.format(count=1_000_000, phase="ready", status="QUEUED", due_at=1_000),
            FILL.format(count=100_000, phase="ended", status="SUCCEEDED", due_at=500),
        )
        with database.transaction():
            database._connection.execute(waiting)
            database._connection.execute(ended)
        pages = asyncio.run(answers(database, queue, lambda: None))
        while_they_go = []
        for moment in (500.0, 1_000.0, 5_000.0):  # forgotten; expired; all of them forgotten
            now[0] = moment
            while_they_go += asyncio.run(answers(database, queue, queue.tidy))
        is_behind = True
        while is_behind:
            with database.transaction():
                queue.counts()
                is_behind = database.due_at <= now[0] or queue.tidy()
        database._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    assert statistics.median(pages) <= MOST_SECONDS
    assert statistics.median(while_they_go) <= MOST_SECONDS
    assert path.stat().st_size < 8 << 20


async def answers(database: Database, queue: RequestQueue, tidy: Callable[[], object]) -> list:
    """How long the page's data and the metrics take, with the worker's claims between them."""
    seconds = []
    async with GroupCommit(database) as commits:
        page = Bare(database, queue, queue.clock).page(commits)
        scope = {"type": "http", "query_string": b"window=300", "headers": [], "path": "/"}
        for _ in range(30):
            for ask in (page.state, page.metrics):
                start = time.perf_counter()
                assert (await ask(Request(scope))).status_code == 200
                seconds.append(time.perf_counter() - start)
            await commits.lightly(queue.claim_many, 4)
            await commits(tidy)
    return seconds
