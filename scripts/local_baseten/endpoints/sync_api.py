"""Synchronous predictions: sent straight to the model, before all queued requests."""

import asyncio
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ..request_queue.outcome import LOST, TOO_LONG
from ..request_queue.slots import ModelServer, Slots
from ..settings import SYNC_SECONDS
from ..trusses.client import (
    Answer,
    ModelCall,
    ModelCaller,
    ModelLostError,
    ModelRefusedError,
)
from .answers import ApiError

logger = logging.getLogger(__name__)

READY_SECONDS = 60.0
"""How long a call waits for a model that is not up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncPredict:
    """Forwards bodies and the model's answers unchanged; a call ends after `limit_seconds`.

    With `keeps_id`, under the id that the call brings: for one Chainlet that calls another.
    """

    model: ModelCaller
    slots: Slots
    limit_seconds: float = SYNC_SECONDS
    keeps_id: bool = False

    async def answer(self, request: Request) -> Response:
        """Raises ApiError 503 and 504. When the caller hangs up, so does the call of the model."""
        body = await request.body()
        forwarded = asyncio.create_task(self._forward(request, body))
        gone = asyncio.create_task(_hang_up(request))
        try:
            await asyncio.wait({forwarded, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not forwarded.done():
                raise ClientDisconnect
            return forwarded.result()
        finally:
            gone.cancel()
            forwarded.cancel()

    async def _forward(self, request: Request, body: bytes) -> Response:
        own_id = request.headers.get("x-baseten-request-id") if self.keeps_id else None
        request_id = own_id or uuid.uuid4().hex
        content_type = request.headers.get("content-type", "application/json")
        call = partial(ModelCall, body=body, request_id=request_id, content_type=content_type)
        try:
            async with asyncio.timeout(self.limit_seconds):
                answer = await self._predict(call)
        except (ModelRefusedError, ModelLostError) as error:
            raise ApiError(503, "model_unavailable", LOST) from error
        except TimeoutError as error:
            raise ApiError(504, "timeout", TOO_LONG) from error
        logger.info("answered", extra={"request_id": request_id, "status": answer.status})
        return Response(
            answer.body,
            status_code=answer.status,
            headers={"x-baseten-request-id": request_id},
            media_type=answer.content_type,
        )

    async def _predict(self, call_at: Callable[..., ModelCall]) -> Answer:
        server = await self._slot()
        try:
            return await self.model.predict(call_at(url=server.url))
        finally:
            self.slots.release(server)

    async def _slot(self) -> ModelServer:
        turn = asyncio.create_task(self.slots.acquire(urgent=True))
        try:
            await self._await_turn(turn)
            return turn.result()
        except BaseException:
            if not turn.cancel():  # too late: the slot is there
                self.slots.release(turn.result())
            raise

    async def _await_turn(self, turn: asyncio.Task[ModelServer]) -> None:
        """Waits without limit for a model that is busy; READY_SECONDS for one that is not up."""
        while not turn.done():
            await asyncio.wait({turn}, timeout=READY_SECONDS)
            if not turn.done() and not self.slots.is_up:
                message = "The model is not up; see the log of `outbox serve`."
                raise ApiError(503, "model_not_ready", message)


async def _hang_up(request: Request) -> None:
    await request.receive()  # all that can come after the body
