"""What a sync call is answered when the model is not there to answer."""

import asyncio
import itertools
import logging
from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from local_baseten.endpoints import answers
from local_baseten.endpoints.sync_api import SyncPredict
from local_baseten.logs import LineFormatter
from local_baseten.request_queue.slots import Slots
from local_baseten.trusses.client import Answer, ModelLostError, ModelRefusedError


@dataclass(eq=False)
class Server:
    is_ready: bool = True
    url: str = "http://model"


@dataclass
class Model:
    """Answers so, or raises it, or never does."""

    answer: Answer | Exception | None

    async def predict(self, call):
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def call(model: Model, *, is_busy: bool = False) -> httpx.Response:
    async def scenario() -> httpx.Response:
        slots = Slots([Server()], per_server=1)
        taken = [slots.take_free() for _ in range(is_busy)]
        sync = SyncPredict(model=model, slots=slots, limit_seconds=0.2)
        application = Starlette(
            routes=[Route("/predict", sync.answer, methods=["POST"])],
            exception_handlers=answers.HANDLERS,
        )
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://any") as client:
            first = await client.post("/predict", json={})
        for server in itertools.chain(*taken):
            slots.release(server)
        # Whatever came of it, its slot is free again.
        assert len(slots.take_free()) == 1
        return first

    return asyncio.run(scenario())


@pytest.mark.parametrize("error", [ModelLostError("lost"), ModelRefusedError("refused")])
def test_a_model_that_is_gone_is_503(error):
    answer = call(Model(error))

    assert (answer.status_code, answer.json()["error_code"]) == (503, "model_unavailable")


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_call_that_takes_longer_than_it_may_is_504(is_busy):
    """Also where it was never the call's turn."""
    answer = call(Model(None), is_busy=is_busy)

    assert (answer.status_code, answer.json()["error_code"]) == (504, "timeout")


@pytest.mark.parametrize("status", [200, 422, 500, 502])
def test_what_the_model_answers_comes_as_it_is_and_is_logged(status, caplog):
    caplog.set_level(logging.INFO)
    answer = call(Model(Answer(status=status, body=b"\x00 as it is", content_type="image/png")))

    assert (answer.status_code, answer.content) == (status, b"\x00 as it is")
    assert answer.headers["content-type"] == "image/png"
    (line,) = (LineFormatter().format(one) for one in caplog.records if one.msg == "answered")
    request_id = answer.headers["x-baseten-request-id"]
    assert line.endswith(f"INFO    answered  request_id={request_id}  status={status}")
