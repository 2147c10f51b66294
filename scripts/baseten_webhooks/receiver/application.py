"""A small receiver that verifies, stores, and only then answers 200: 200 ends the repetitions."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.config import HTTPProtocolType

from ..errors import NoSecretError, WebhookError
from ..event import Event
from ..verifying import TOLERANCE_SECONDS, check_tolerance, sent_signatures, verify
from .header_deadline import HEADER_SECONDS, set_header_deadline
from .inbox import Inbox

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_BODIES_BYTES = 4 * MAX_BODY_BYTES
"""Of all bodies that are being received or stored at once."""
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


@dataclass(slots=True)
class _Bodies:
    """All that are being received, verified or stored."""

    size_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Receiver:
    """Takes deliveries into the inbox, each request's event once.

    `secrets` is asked at every delivery, so that a new one counts at once; `on_delivery` is told
    what was answered. Raises ValueError: `tolerance_seconds` is not finite.
    """

    inbox: Inbox
    secrets: Callable[[], Sequence[str]]
    on_delivery: Callable[[ReceivedDelivery], None]
    tolerance_seconds: float = TOLERANCE_SECONDS
    max_body_bytes: int = MAX_BODY_BYTES
    max_bodies_bytes: int = MAX_BODIES_BYTES
    header_seconds: float = HEADER_SECONDS
    body_seconds: float = BODY_SECONDS
    clock: Callable[[], float] = time.time
    _bodies: _Bodies = field(init=False, repr=False, default_factory=_Bodies)

    def __post_init__(self) -> None:
        check_tolerance(self.tolerance_seconds)

    def application(self) -> Starlette:
        """Takes POST on every path, as ASGI; GET and HEAD, which say that it runs, are 200."""
        return Starlette(
            routes=[
                Route("/{path:path}", self._answer, methods=["POST"]),
                Route("/{path:path}", _say_that_it_runs, methods=["GET"]),  # and so HEAD
            ]
        )

    def server(self, *, http: HTTPProtocolType = "auto") -> uvicorn.Server:
        """`http` is uvicorn's: the one of its protocols that parses requests."""
        config = uvicorn.Config(
            self.application(),
            http=http,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        set_header_deadline(config, self.header_seconds)
        return uvicorn.Server(config)

    def listen(self, *, host: str, port: int, on_ready: Callable[[str], None]) -> None:
        """Serve until SIGINT or SIGTERM; what was being stored then is stored and answered.

        `on_ready` is told the base URL. Raises OSError: the port is taken.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with contextlib.closing(socket.create_server((host, port), family=family)) as listener:
            name = f"[{host}]" if family is socket.AF_INET6 else host
            on_ready(f"http://{name}:{listener.getsockname()[1]}")
            with contextlib.suppress(KeyboardInterrupt):
                self.server().run(sockets=[listener])

    async def _answer(self, request: Request) -> Response:
        delivery = await self._receive(request)
        self.on_delivery(delivery)
        return PlainTextResponse(delivery.problem, status_code=delivery.status)

    async def _receive(self, request: Request) -> ReceivedDelivery:
        try:
            # Nothing of a body is read that could not be taken whatever it holds.
            sent_signatures(request.headers)
            self._check_size(int(request.headers.get("content-length", 0)))
            async with self._body(request) as body:
                return await self._take(request, body)
        except WebhookError as error:
            return self._refused(error.status, str(error))
        except _RefusedError as error:
            return self._refused(error.status, str(error))
        except (TimeoutError, ClientDisconnect):
            return self._refused(408, "the body did not come in time")

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self.max_body_bytes:
            raise _RefusedError(413, f"the body is larger than {self.max_body_bytes} bytes")

    @contextlib.asynccontextmanager
    async def _body(self, request: Request) -> AsyncIterator[bytes]:
        """Counts as one of those that are here until the block ends."""
        body = bytearray()
        try:
            async with asyncio.timeout(self.body_seconds):
                async for chunk in request.stream():
                    body += chunk
                    self._bodies.size_bytes += len(chunk)
                    self._check_size(len(body))
                    if self._bodies.size_bytes > self.max_bodies_bytes:
                        raise _RefusedError(503, "too many bodies at once")
            yield bytes(body)
        finally:
            self._bodies.size_bytes -= len(body)

    async def _take(self, request: Request, body: bytes) -> ReceivedDelivery:
        try:
            event = self._verify(request, body)
        except WebhookError as error:
            return self._refused(error.status, str(error), size_bytes=len(body))
        except (NoSecretError, OSError) as error:
            return self._refused(503, f"cannot verify: {_reason(error)}", size_bytes=len(body))
        return await self._store(event, body)

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


class _RefusedError(Exception):
    def __init__(self, status: int, problem: str) -> None:
        self.status = status
        super().__init__(problem)


def _reason(error: Exception) -> str:
    """Without the path: the sender reads it too."""
    return str(getattr(error, "strerror", None) or error)
