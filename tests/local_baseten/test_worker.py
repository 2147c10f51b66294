"""The worker between a real queue and a model's answers, made up at the transport."""

import asyncio
import contextlib
from collections.abc import Callable

import httpx
import pytest

from scripts.local_baseten.job import Job, Status
from scripts.local_baseten.request_queue import RequestQueue
from scripts.local_baseten.retry import RetryPolicy
from scripts.local_baseten.slots import Slots
from scripts.local_baseten.worker import Worker


class Server:
    """Ready from the start, or when told so."""

    def __init__(self, *, is_ready: bool = True) -> None:
        self._ready = asyncio.Event()
        if is_ready:
            self._ready.set()

    @property
    def is_ready(self) -> bool:
        return self._ready.is_set()

    def comes_up(self) -> None:
        self._ready.set()

    async def url(self) -> str:
        await self._ready.wait()
        return "http://model"


@pytest.fixture
def real_queue(tmp_path):
    with contextlib.closing(RequestQueue.open(tmp_path / "queue.sqlite3")) as queue:
        yield queue


def a_job(*, max_attempts: int = 1) -> Job:
    return Job(
        request_id="a",
        deployment_id="production",
        model_input="{}",
        priority=0,
        created_at=0,
        status_at=0,
        expires_at=1e12,
        retry=RetryPolicy(max_attempts=max_attempts, initial_delay_ms=0),
    )


def work_until_ended(queue, model: Callable, *, job: Job, server=None, run_seconds=60.0) -> Job:
    async def scenario() -> Job:
        transport = httpx.MockTransport(model)
        async with httpx.AsyncClient(transport=transport) as client, asyncio.timeout(20):
            worker = Worker(
                queue, server or Server(), client, slots=Slots(1), run_seconds=run_seconds
            )
            queue.add(job)
            running = asyncio.create_task(worker.run())
            while (now := queue.find(job.request_id)).status in {
                *(Status.QUEUED, Status.IN_PROGRESS),
            }:
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.wait([running])
            return now

    return asyncio.run(scenario())


def test_a_lost_connection_costs_an_attempt(real_queue):
    def model(request):
        raise httpx.ReadError("gone")

    job = work_until_ended(real_queue, model, job=a_job(max_attempts=2))

    assert (job.status, job.attempts) == (Status.FAILED, 2)
    assert job.error.message == "The connection to the model was lost before it answered."


def test_a_connection_refused_costs_none(real_queue):
    refusals = iter([httpx.ConnectError("refused")] * 3)

    def model(request):
        for refusal in refusals:
            raise refusal
        return httpx.Response(200)

    job = work_until_ended(real_queue, model, job=a_job(max_attempts=1))

    assert (job.status, job.attempts) == (Status.SUCCEEDED, 1)


def test_a_model_that_takes_too_long_is_given_up_and_not_asked_again(real_queue):
    async def model(request):
        await asyncio.Event().wait()

    job = work_until_ended(real_queue, model, job=a_job(max_attempts=3), run_seconds=0.05)

    assert (job.status, job.attempts) == (Status.FAILED, 1)
    assert job.error.code == "MODEL_PREDICT_TIMEOUT"


def test_every_attempt_has_the_same_id_and_the_input_alone(real_queue):
    requests = []

    def model(request):
        requests.append(request)
        return httpx.Response(200 if len(requests) == 3 else 500)

    work_until_ended(real_queue, model, job=a_job(max_attempts=3))

    assert [request.headers["x-baseten-request-id"] for request in requests] == ["a"] * 3
    assert {(request.url.path, request.content) for request in requests} == {
        ("/v1/models/model:predict", b"{}")
    }


def test_until_the_model_is_ready_requests_stay_queued(real_queue):
    async def scenario() -> list[Status]:
        server, seen = Server(is_ready=False), []
        transport = httpx.MockTransport(lambda request: httpx.Response(200))
        async with httpx.AsyncClient(transport=transport) as client, asyncio.timeout(20):
            worker = Worker(real_queue, server, client, slots=Slots(1))
            real_queue.add(a_job())
            running = asyncio.create_task(worker.run())
            for _ in range(20):
                await asyncio.sleep(0)
            seen.append(real_queue.find("a").status)
            server.comes_up()
            while real_queue.find("a").status != Status.SUCCEEDED:
                await asyncio.sleep(0.01)
            seen.append(real_queue.find("a").status)
            running.cancel()
            await asyncio.wait([running])
        return seen

    assert asyncio.run(scenario()) == [Status.QUEUED, Status.SUCCEEDED]
