"""Ends connections whose request does not come: a few bytes shall hold none of them for long."""

import asyncio
from typing import Any, ClassVar

import uvicorn

HEADER_SECONDS = 10.0
"""How long a request's headers may take, from the connection or from their first byte on."""


def set_header_deadline(config: uvicorn.Config, seconds: float = HEADER_SECONDS) -> None:
    """uvicorn itself waits for ever, but for connections that are idle between two requests."""
    config.load()
    protocol: Any = config.http_protocol_class
    values = {"header_seconds": seconds}
    config.http_protocol_class = type("TimelyProtocol", (_HeaderDeadline, protocol), values)


class _HeaderDeadline(asyncio.Protocol):
    """In front of either of uvicorn's protocols, whose `cycle` is the request that was begun."""

    header_seconds: ClassVar[float]
    transport: Any
    cycle: Any
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # What comes after an answer is the next request, or a body that nobody wants.
        if self.cycle is None or self.cycle.response_complete:
            self._set_deadline()
        else:
            self._clear_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        super().connection_lost(exc)

    def _set_deadline(self) -> None:
        if self._deadline is None:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(self.header_seconds, self.transport.close)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
