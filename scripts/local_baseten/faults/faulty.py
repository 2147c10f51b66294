"""A model behind the faults that were asked for."""

import asyncio
import contextlib
import json
import uuid
from dataclasses import dataclass, replace
from functools import partial

import httpx

from ..trusses.client import Answer, ModelCall, ModelCaller, ModelLostError
from .faults import Fault, Faults

_STATUSES = (500, 502, 503, 504)
_HANG_UP_SECONDS = 0.5
_MESSAGE = "a fault that was asked for"


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultyModel:
    """A ModelCaller in front of another. `slow_seconds` is what a slow model takes longer."""

    model: ModelCaller
    faults: Faults
    slow_seconds: float

    async def predict(self, call: ModelCall) -> Answer:
        happens = partial(self.faults.happens, request_id=call.request_id)
        if call.attempt > 1 and happens(Fault.NEW_ID_ON_RETRY):
            call = replace(call, request_id=uuid.uuid4().hex)
        if happens(Fault.MODEL_SLOW):
            await asyncio.sleep(self.slow_seconds)
        if happens(Fault.MODEL_ERROR):
            return self._error()
        if happens(Fault.MODEL_DISCONNECT):
            await self._hang_up(call)
            raise ModelLostError(_MESSAGE)
        if happens(Fault.DUPLICATE_DELIVERY):
            return await self._twice(call)
        return await self.model.predict(call)

    def _error(self) -> Answer:
        status = _STATUSES[int(self.faults.choose(Fault.MODEL_ERROR, len(_STATUSES)))]
        body = json.dumps({"error": _MESSAGE}).encode()
        return Answer(status=status, body=body, content_type="application/json")

    async def _hang_up(self, call: ModelCall) -> None:
        """After a random while. The model may have answered by then: its answer is dropped."""
        seconds = self.faults.choose(Fault.MODEL_DISCONNECT, _HANG_UP_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.model.predict(call)

    async def _twice(self, call: ModelCall) -> Answer:
        other = asyncio.create_task(self.model.predict(call))
        try:
            return await self.model.predict(call)
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
            raise httpx.ConnectError(_MESSAGE)

    async def after(_: httpx.Response) -> None:
        if faults.happens(Fault.WEBHOOK_LOST_ANSWER):
            raise httpx.ReadError(_MESSAGE)

    client.event_hooks = {"request": [before], "response": [after]}
