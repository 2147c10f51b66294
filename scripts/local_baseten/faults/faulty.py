"""A model behind the faults that were asked for."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from ..trusses.client import Answer, ModelCaller, ModelLostError
from .faults import Fault, Faults

_STATUSES = (500, 502, 503, 504)
_HANG_UP_SECONDS = 0.5
_MESSAGE = "a fault that was asked for"

_Ask = Callable[[], Coroutine[Any, Any, Answer]]


class FaultyModel:
    """A ModelCaller in front of another. `slow_seconds` is what a slow model takes longer."""

    def __init__(self, model: ModelCaller, faults: Faults, *, slow_seconds: float) -> None:
        self._model = model
        self._faults = faults
        self._slow_seconds = slow_seconds

    async def predict(
        self, url: str, body: str | bytes, *, request_id: str, content_type: str
    ) -> Answer:
        async def ask() -> Answer:
            return await self._model.predict(
                url, body, request_id=request_id, content_type=content_type
            )

        if self._happens(Fault.MODEL_SLOW, request_id):
            await asyncio.sleep(self._slow_seconds)
        if self._happens(Fault.MODEL_ERROR, request_id):
            return self._error()
        if self._happens(Fault.MODEL_DISCONNECT, request_id):
            await self._hang_up(ask)
            raise ModelLostError(_MESSAGE)
        if self._happens(Fault.DUPLICATE_DELIVERY, request_id):
            return await _twice(ask)
        return await ask()

    def _error(self) -> Answer:
        status = _STATUSES[int(self._faults.choose(Fault.MODEL_ERROR, len(_STATUSES)))]
        body = json.dumps({"error": _MESSAGE}).encode()
        return Answer(status=status, body=body, content_type="application/json")

    async def _hang_up(self, ask: _Ask) -> None:
        """After a random while. The model may have answered by then: its answer is dropped."""
        seconds = self._faults.choose(Fault.MODEL_DISCONNECT, _HANG_UP_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ask()

    def _happens(self, fault: Fault, request_id: str) -> bool:
        return self._faults.happens(fault, request_id=request_id)


async def _twice(ask: _Ask) -> Answer:
    other = asyncio.create_task(ask())
    try:
        return await ask()
    except asyncio.CancelledError:
        other.cancel()
        raise
    finally:
        # Until it ends, the slot is in use: the caller gives it back after this.
        await asyncio.gather(other, return_exceptions=True)


def make_faulty(client: httpx.AsyncClient, faults: Faults) -> None:
    """Some of the client's calls fail from now on, before or after they arrive."""

    async def before(_: httpx.Request) -> None:
        if faults.happens(Fault.WEBHOOK_ERROR):
            raise httpx.ConnectError("a fault that was asked for")

    async def after(_: httpx.Response) -> None:
        if faults.happens(Fault.WEBHOOK_LOST_ANSWER):
            raise httpx.ReadError("a fault that was asked for")

    client.event_hooks = {"request": [before], "response": [after]}
