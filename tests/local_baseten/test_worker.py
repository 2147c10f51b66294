"""The worker between a real queue and a model's answers, made up at the transport."""

import asyncio
import contextlib
from collections.abc import Callable

import httpx

from scripts.local_baseten.group_commit import GroupCommit
from scripts.local_baseten.job import Job, Status
from scripts.local_baseten.request_queue import RequestQueue
from scripts.local_baseten.retry import RetryPolicy
from scripts.local_baseten.slots import Slots
from scripts.local_baseten.worker import Worker

UNFINISHED = {Status.QUEUED, Status.IN_PROGRESS}


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


def work_until_ended(database, model: Callable, *, job: Job, run_seconds=60.0) -> Job:
    async def scenario() -> Job:
        async with working(database, Server(), model, run_seconds=run_seconds) as (queue, commits):
            await commits(queue.add, job)
            return await ended(queue, commits, job.request_id)

    return asyncio.run(scenario())


@contextlib.asynccontextmanager
async def working(database, server, model: Callable, *, run_seconds=60.0):
    """A queue on the real clock, and a worker on it."""
    queue = RequestQueue(database)
    transport = httpx.MockTransport(model)
    async with (
        asyncio.timeout(20),
        httpx.AsyncClient(transport=transport) as client,
        GroupCommit(database) as commits,
    ):
        worker = Worker(queue, commits, server, client, slots=Slots(1), run_seconds=run_seconds)
        running = asyncio.create_task(worker.run())
        yield queue, commits
        running.cancel()
        await asyncio.wait([running])


async def ended(queue, commits, request_id: str) -> Job:
    while (job := await commits(queue.find, request_id)).status in UNFINISHED:
        await asyncio.sleep(0.01)
    return job


def test_a_lost_connection_costs_an_attempt(database):
    def model(request):
        raise httpx.ReadError("gone")

    job = work_until_ended(database, model, job=a_job(max_attempts=2))

    assert (job.status, job.attempts) == (Status.FAILED, 2)
    assert job.error.message == "The connection to the model was lost before it answered."


def test_a_connection_refused_costs_none(database):
    refusals = iter([httpx.ConnectError("refused")] * 3)

    def model(request):
        for refusal in refusals:
            raise refusal
        return httpx.Response(200)

    job = work_until_ended(database, model, job=a_job(max_attempts=1))

    assert (job.status, job.attempts) == (Status.SUCCEEDED, 1)


def test_a_model_that_takes_too_long_is_given_up_and_not_asked_again(database):
    async def model(request):
        await asyncio.Event().wait()

    job = work_until_ended(database, model, job=a_job(max_attempts=3), run_seconds=0.05)

    assert (job.status, job.attempts) == (Status.FAILED, 1)
    assert job.error.code == "MODEL_PREDICT_TIMEOUT"


def test_every_attempt_has_the_same_id_and_the_input_alone(database):
    requests = []

    def model(request):
        requests.append(request)
        return httpx.Response(200 if len(requests) == 3 else 500)

    work_until_ended(database, model, job=a_job(max_attempts=3))

    assert [request.headers["x-baseten-request-id"] for request in requests] == ["a"] * 3
    assert {(request.url.path, request.content) for request in requests} == {
        ("/v1/models/model:predict", b"{}")
    }


def test_until_the_model_is_ready_requests_stay_queued(database):
    async def scenario() -> list[Status]:
        server = Server(is_ready=False)
        model = lambda request: httpx.Response(200)  # noqa: E731
        async with working(database, server, model) as (queue, commits):
            await commits(queue.add, a_job())
            before = [(await commits(queue.find, "a")).status for _ in range(20)]
            server.comes_up()
            return [*set(before), (await ended(queue, commits, "a")).status]

    assert asyncio.run(scenario()) == [Status.QUEUED, Status.SUCCEEDED]
