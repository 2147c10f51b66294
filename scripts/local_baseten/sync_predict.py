"""Synchronous predictions: straight to the model, before all that is queued."""

import asyncio
import uuid

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from scripts.local_baseten.answers import ApiError
from scripts.local_baseten.slots import Slots
from scripts.local_baseten.worker import RUN_SECONDS, ModelServer

READY_SECONDS = 60.0
"""How long a call waits for a model that is not up."""


class SyncPredict:
    """Forwards bodies as they are, and the model's answers as they come."""

    def __init__(self, server: ModelServer, client: httpx.AsyncClient, *, slots: Slots) -> None:
        self._server = server
        self._client = client
        self._slots = slots

    async def answer(self, request: Request) -> Response:
        """Raises ApiError 502 or 503. A caller who hangs up is gone for the model too."""
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
        request_id = uuid.uuid4().hex
        headers = {
            "content-type": request.headers.get("content-type", "application/json"),
            "x-baseten-request-id": request_id,
        }
        async with self._slots.held(urgent=True):
            url = await self._ready_url()
            try:
                async with asyncio.timeout(RUN_SECONDS):
                    answer = await self._client.post(
                        f"{url}/v1/models/model:predict", content=body, headers=headers
                    )
            except (httpx.TransportError, TimeoutError) as error:
                message = "The connection to the model was lost before it answered."
                raise ApiError(502, "application_error", message) from error
        return Response(
            answer.content,
            status_code=answer.status_code,
            headers={"x-baseten-request-id": request_id},
            media_type=answer.headers.get("content-type"),
        )

    async def _ready_url(self) -> str:
        try:
            async with asyncio.timeout(READY_SECONDS):
                return await self._server.url()
        except TimeoutError:
            message = "The model is not up; see the log of `outbox serve`."
            raise ApiError(503, "model_not_ready", message) from None


async def _hang_up(request: Request) -> None:
    await request.receive()  # all that can come after the body
