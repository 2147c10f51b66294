"""The worker between a real queue and a model's answers, made up."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from local_baseten.request_queue.group_commit import GroupCommit
from local_baseten.request_queue.request import AsyncRequest, RetryPolicy, Status
from local_baseten.request_queue.requests import RequestQueue
from local_baseten.request_queue.slots import Slots
from local_baseten.request_queue.worker import Worker
from local_baseten.trusses.client import Answer, ModelLostError, ModelRefusedError

UNFINISHED = {Status.QUEUED, Status.IN_PROGRESS}


@dataclass(eq=False)
class Server:
    is_ready: bool = True
    url: str = "http://model"


@dataclass
class Model:
    """Answers each call by the next of `answers`: a status, what to raise, or None for never."""

    answers: Iterator[int | Exception | None]
    calls: list[tuple] = field(default_factory=list)

    async def predict(self, call):
        self.calls.append((call.url, call.body, call.request_id, call.content_type))
        answer = next(self.answers)
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return Answer(status=answer, body=b"{}", content_type=None)


def always(*answers) -> Iterator:
    return itertools.chain(answers[:-1], itertools.repeat(answers[-1]))


def a_request(*, name: str = "a", max_attempts: int = 1) -> AsyncRequest:
    return AsyncRequest(
        request_id=name,
        deployment_id="production",
        model_input="{}",
        priority=0,
        created_at=0,
        status_at=0,
        expires_at=1e12,
        retry=RetryPolicy(max_attempts=max_attempts, initial_delay_ms=0),
    )


def work_until_ended(
    database, model: Model, *, request: AsyncRequest, run_seconds=60.0
) -> AsyncRequest:
    async def scenario() -> AsyncRequest:
        async with working(database, Server(), model, run_seconds=run_seconds) as working_on:
            await working_on.add(request)
            return await working_on.ended(request.request_id)

    return asyncio.run(scenario())


@dataclass
class Working:
    queue: RequestQueue
    commits: GroupCommit
    worker: Worker
    slots: Slots

    async def add(self, request: AsyncRequest) -> None:
        await self.commits(self.queue.add, request)
        self.worker.wake()

    async def find(self, request_id: str) -> AsyncRequest:
        return await self.commits(self.queue.find, request_id)

    async def ended(self, request_id: str) -> AsyncRequest:
        while (request := await self.find(request_id)).status in UNFINISHED:
            await asyncio.sleep(0.01)
        return request


@contextlib.asynccontextmanager
async def working(database, server, model: Model, *, run_seconds=60.0):
    """A queue on the real clock, and a worker on it."""
    queue, slots = RequestQueue(database), Slots([server], per_server=1)
    async with asyncio.timeout(60), GroupCommit(database) as commits:
        worker = Worker(
            queue=queue, commits=commits, model=model, slots=slots, run_seconds=run_seconds
        )
        running = asyncio.create_task(worker.run())
        yield Working(queue, commits, worker, slots)
        running.cancel()
        await asyncio.wait([running])


def test_a_lost_connection_costs_an_attempt_as_a_503_does(database):
    model = Model(always(ModelLostError()))

    request = work_until_ended(database, model, request=a_request(max_attempts=2))

    assert (request.status, request.attempts, request.error.code) == (
        Status.FAILED,
        2,
        "MODEL_UNAVAILABLE",
    )
    assert request.error.message == "The connection to the model was lost before it answered."


def test_a_connection_refused_costs_none(database):
    model = Model(always(*[ModelRefusedError()] * 3, 200))

    request = work_until_ended(database, model, request=a_request(max_attempts=1))

    assert (request.status, request.attempts, len(model.calls)) == (Status.SUCCEEDED, 1, 4)


def test_a_model_that_takes_too_long_is_given_up_and_not_asked_again(database):
    request = work_until_ended(
        database, Model(always(None)), request=a_request(max_attempts=3), run_seconds=0.05
    )

    assert (request.status, request.attempts) == (Status.FAILED, 1)
    assert request.error.code == "MODEL_PREDICT_TIMEOUT"


def test_every_attempt_has_the_same_id_and_the_input_alone(database):
    model = Model(always(500, 503, 200))

    work_until_ended(database, model, request=a_request(max_attempts=3))

    assert model.calls == [("http://model", "{}", "a", "application/json")] * 3


def test_until_the_model_is_ready_requests_stay_queued(database):
    async def scenario() -> list[Status]:
        server = Server(is_ready=False)
        async with working(database, server, Model(always(200))) as working_on:
            await working_on.add(a_request())
            before = {(await working_on.find("a")).status for _ in range(20)}
            server.is_ready = True
            working_on.slots.hand_out()
            return [*before, (await working_on.ended("a")).status]

    assert asyncio.run(scenario()) == [Status.QUEUED, Status.SUCCEEDED]


def test_asked_to_finish_it_ends_what_runs_and_takes_nothing_more(database):
    async def scenario() -> tuple[Status, Status]:
        goes_on = asyncio.Event()

        class Waiting(Model):
            async def predict(self, call):
                answer = await super().predict(call)
                await goes_on.wait()
                return answer

        async with working(database, Server(), model := Waiting(always(200))) as working_on:
            await working_on.add(a_request())
            await working_on.add(a_request(name="b"))
            while not model.calls:
                await asyncio.sleep(0.01)
            working_on.worker.finish()
            goes_on.set()
            first = await working_on.ended("a")
            return first.status, (await working_on.find("b")).status

    assert asyncio.run(scenario()) == (Status.SUCCEEDED, Status.QUEUED)
