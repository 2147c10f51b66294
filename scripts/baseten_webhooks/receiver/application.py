"""A small receiver that verifies, stores, and only then answers 200: 200 ends the repetitions."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..errors import NoSecretError, WebhookError
from ..event import Event
from ..verifying import TOLERANCE_SECONDS, verify
from .inbox import Inbox

MAX_BODY_BYTES = 64 * 1024 * 1024
BODY_SECONDS = 10.0
"""How long the sender may take for the body; the service itself gives up after as long."""

_STOP_SECONDS = 5


class DeliveryOutcome(StrEnum):
    """What became of a delivery."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    REFUSED = "refused"
    NOT_STORED = "not stored"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceivedDelivery:
    """One call of the receiver. Where it was refused, `event` is None and `problem` the reason."""

    at: float
    outcome: DeliveryOutcome
    status: int
    size_bytes: int = 0
    event: Event | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Receiver:
    """Takes deliveries into the inbox, each request's event once.

    `secrets` is asked at every delivery, so that a new one counts at once; `on_delivery` is told
    what was answered.
    """

    inbox: Inbox
    secrets: Callable[[], Sequence[str]]
    on_delivery: Callable[[ReceivedDelivery], None]
    tolerance_seconds: float = TOLERANCE_SECONDS
    max_body_bytes: int = MAX_BODY_BYTES
    body_seconds: float = BODY_SECONDS
    clock: Callable[[], float] = time.time

    def application(self) -> Starlette:
        """Takes POST on every path, as ASGI; GET and HEAD, which say that it runs, are 200."""
        return Starlette(
            routes=[
                Route("/{path:path}", self._answer, methods=["POST"]),
                Route("/{path:path}", _say_that_it_runs, methods=["GET"]),  # and so HEAD
            ]
        )

    def listen(self, *, host: str, port: int, on_ready: Callable[[str], None]) -> None:
        """Serve until SIGINT or SIGTERM; what was being stored then is stored and answered.

        `on_ready` is told the base URL. Raises OSError: the port is taken.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with contextlib.closing(socket.create_server((host, port), family=family)) as listener:
            name = f"[{host}]" if family is socket.AF_INET6 else host
            on_ready(f"http://{name}:{listener.getsockname()[1]}")
            server = uvicorn.Server(
                uvicorn.Config(
                    self.application(),
                    lifespan="off",
                    ws="none",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    timeout_graceful_shutdown=_STOP_SECONDS,
                )
            )
            with contextlib.suppress(KeyboardInterrupt):
                server.run(sockets=[listener])

    async def _answer(self, request: Request) -> Response:
        delivery = await self._receive(request)
        self.on_delivery(delivery)
        return PlainTextResponse(delivery.problem, status_code=delivery.status)

    async def _receive(self, request: Request) -> ReceivedDelivery:
        try:
            async with asyncio.timeout(self.body_seconds):
                body = await self._read(request)
        except (TimeoutError, ClientDisconnect):
            return self._refused(408, "the body did not come in time")
        if body is None:
            return self._refused(413, f"the body is larger than {self.max_body_bytes} bytes")
        try:
            event = self._verify(request, body)
        except WebhookError as error:
            return self._refused(error.status, str(error), size_bytes=len(body))
        except (NoSecretError, OSError) as error:
            return self._refused(503, f"cannot verify: {_reason(error)}", size_bytes=len(body))
        return await self._store(event, body)

    async def _read(self, request: Request) -> bytes | None:
        """None where it is too much."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self.max_body_bytes:
                return None
        return bytes(body)

    def _verify(self, request: Request, body: bytes) -> Event:
        return verify(
            request.headers,
            body,
            secrets=self.secrets(),
            now=self.clock(),
            tolerance_seconds=self.tolerance_seconds,
        )

    async def _store(self, event: Event, body: bytes) -> ReceivedDelivery:
        delivery = partial(self._delivery, size_bytes=len(body), event=event)
        try:
            is_new = await run_in_threadpool(self.inbox.keep, event.request_id, body)
        except OSError as error:
            # 503 is repeated: a disk that was full for a second loses nothing.
            return delivery(
                503, DeliveryOutcome.NOT_STORED, problem=f"cannot store: {_reason(error)}"
            )
        return delivery(200, DeliveryOutcome.STORED if is_new else DeliveryOutcome.DUPLICATE)

    def _refused(self, status: int, problem: str, *, size_bytes: int = 0) -> ReceivedDelivery:
        return self._delivery(
            status, DeliveryOutcome.REFUSED, problem=problem, size_bytes=size_bytes
        )

    def _delivery(self, status: int, outcome: DeliveryOutcome, **details: Any) -> ReceivedDelivery:
        return ReceivedDelivery(at=self.clock(), status=status, outcome=outcome, **details)


async def _say_that_it_runs(_: Request) -> Response:
    return Response()


def _reason(error: Exception) -> str:
    """Without the path: the sender reads it too."""
    return str(getattr(error, "strerror", None) or error)
