"""HTTP to the models' servers, over connections that are kept: what each request needs, no more.

A general client takes four times as long for a request, half of what the whole stand-in does for
one. The answers are parsed by httptools, as in uvicorn.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import httptools

# Shorter than the five seconds after which the server closes an idle connection: a request sent
# on one that is just being closed would cost an attempt.
_KEPT_SECONDS = 2.0
_CONNECT_SECONDS = 5.0


class RefusedError(Exception):
    """The request could not be sent: nothing listens there."""


class LostError(Exception):
    """The connection ended before the answer was complete."""


@dataclass(kw_only=True, slots=True)
class HttpAnswer:
    """`headers` by their names in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Connection(asyncio.Protocol):
    """One request at a time."""

    transport: asyncio.Transport
    idle_since: float = 0.0
    is_reusable: bool = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no instance
        self._done: asyncio.Future[HttpAnswer] | None = None

    async def send(self, head: bytes, body: bytes) -> HttpAnswer:
        """Raises LostError. Cancelled, it hangs up."""
        self._parser = httptools.HttpResponseParser(self)
        self._answer = HttpAnswer()
        self._pieces: list[bytes] = []
        self._done = asyncio.get_running_loop().create_future()
        self.transport.write(head + body)
        try:
            return await self._done
        except BaseException:
            self.is_reusable = False
            self.transport.abort()
            raise

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._lose(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_reusable = False
        self._lose(exc)

    def _lose(self, error: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(LostError(str(error or "the server hung up")))

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()
        self._answer.body = b"".join(self._pieces)
        self.is_reusable = self._parser.should_keep_alive()
        if self._done is not None and not self._done.done():
            self._done.set_result(self._answer)


class Connections:
    """To any servers on this machine. No proxy, no cookie, no redirect, no time limit."""

    def __init__(self) -> None:
        self._idle: dict[str, deque[_Connection]] = {}

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b""
    ) -> HttpAnswer:
        """Raises RefusedError and LostError. Cancelled, it hangs up; the server can notice that."""
        host, _, path = url.removeprefix("http://").partition("/")
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"{method} /{path} HTTP/1.1\r\nhost: {host}\r\n{fields}"
            f"content-length: {len(body)}\r\n\r\n"
        )
        connection = self._kept(host) or await _connect(host)
        answer = await connection.send(head.encode("latin-1"), body)
        if connection.is_reusable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.setdefault(host, deque()).append(connection)
        else:
            connection.transport.close()
        return answer

    def close(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.transport.close()

    def _kept(self, host: str) -> _Connection | None:
        """The one that was used last; those that have been idle for too long are closed."""
        kept = self._idle.get(host)
        oldest = asyncio.get_running_loop().time() - _KEPT_SECONDS
        while kept:
            if kept[0].idle_since < oldest or not kept[0].is_reusable:
                kept.popleft().transport.close()
            elif (last := kept.pop()).is_reusable:
                return last
        return None


async def _connect(host: str) -> _Connection:
    name, _, port = host.rpartition(":")
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, connection = await loop.create_connection(_Connection, name, int(port))
    except OSError as error:  # TimeoutError, too
        raise RefusedError(str(error)) from error
    return connection
