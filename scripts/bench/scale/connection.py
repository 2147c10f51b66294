"""HTTP for the synthetic S3: every answer late by the latency, all of them in one bandwidth."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qsl, unquote_to_bytes

import httptools

_BURST_SECONDS = 0.005
_REASONS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
OWN = "/-/"
"""What paths begin with that are about the server: they are answered at once, and not counted."""


@dataclass(kw_only=True, slots=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[bytes, bytes]
    body: bytes


@dataclass(kw_only=True, slots=True)
class Answer:
    """`chunks` makes the body where it is not `body`; `size` is then its length."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks: Iterator[bytes] | None = None
    size: int | None = None


class Link:
    """One direction of the way to all clients, at so many bits in a second; 0 is no limit."""

    def __init__(self, bits_per_second: float) -> None:
        self._byte_seconds = 8 / bits_per_second if bits_per_second else 0.0
        self._free_at = 0.0

    def delay(self, size: int) -> float:
        """How long to wait with the next bytes after these; they take their turn by this call."""
        if not self._byte_seconds:
            return 0.0
        now = time.monotonic()
        # A timer is late by a millisecond, in which the line is not idle.
        self._free_at = max(self._free_at, now - _BURST_SECONDS) + size * self._byte_seconds
        return self._free_at - now


@dataclass(kw_only=True, slots=True)
class Wire:
    """What all connections share. `answer` is asked when the latency is over."""

    answer: Callable[[Request], Answer]
    latency_seconds: float
    up: Link
    down: Link
    at_once: int = 0
    most_at_once: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    connections: int = 0


class Connection(asyncio.Protocol):
    """One request after the other: a client that sends the next before the answer is refused."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._chunks: Iterator[bytes] = iter(())
        self._is_asked = self._is_full = self._is_pumping = False
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit
        self._wire.connections += 1

    def connection_lost(self, _: Exception | None) -> None:
        self._chunks = iter(())
        self._end()

    def data_received(self, data: bytes) -> None:
        self._wire.received_bytes += len(data)
        if (delay := self._wire.up.delay(len(data))) > _BURST_SECONDS:
            self._transport.pause_reading()
            self._loop.call_later(delay, self._resume_reading)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def _resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # httptools calls these.

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if b"expect" in self._headers:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._is_asked:
            self._transport.close()
            return
        request = self._request()
        self._begin()
        self._is_asked, wire = True, self._wire
        wire.at_once += 1
        wire.most_at_once = max(wire.most_at_once, wire.at_once)
        if request.path.startswith(OWN) or not wire.latency_seconds:
            self._answer(request)
        else:
            self._loop.call_later(wire.latency_seconds, self._answer, request)

    def _request(self) -> Request:
        path, _, query = self._url.decode("ascii").partition("?")
        return Request(
            method=self._parser.get_method().decode(),
            path=unquote_to_bytes(path).decode() if "%" in path else path,
            query=dict(parse_qsl(query, keep_blank_values=True)) if query else {},
            headers=self._headers,
            body=b"".join(self._body),
        )

    def _answer(self, request: Request) -> None:
        if self._transport.is_closing():
            return
        answer = self._wire.answer(request)
        head, body = _head(answer), b"" if request.method == "HEAD" else answer.body
        if answer.chunks is None or request.method == "HEAD":
            self._chunks = iter((head + body,))
        else:
            self._chunks = _after(head, answer.chunks)
        self._pump()

    def _end(self) -> None:
        if self._is_asked:
            self._is_asked = False
            self._wire.at_once -= 1

    def _pump(self) -> None:
        """Writes until the client is full, or it is another's turn."""
        while not self._is_full and not self._transport.is_closing():
            chunk = next(self._chunks, None)
            if chunk is None:
                self._end()
                return
            self._wire.sent_bytes += len(chunk)
            if (delay := self._wire.down.delay(len(chunk))) > 0:
                self._is_pumping = True
                self._loop.call_later(delay, self._write_and_pump, chunk)
                return
            self._transport.write(chunk)

    def _write_and_pump(self, chunk: bytes) -> None:
        self._is_pumping = False
        if not self._transport.is_closing():
            self._transport.write(chunk)
            self._pump()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        if self._is_asked and not self._is_pumping:
            self._pump()


def _after(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield head + next(chunks, b"")  # one packet where both are small
    yield from chunks


def _head(answer: Answer) -> bytes:
    size = len(answer.body) if answer.size is None else answer.size
    length = "" if answer.status == HTTPStatus.NO_CONTENT else f"Content-Length: {size}\r\n"
    own = "".join([f"{name}: {value}\r\n" for name, value in answer.headers.items()])
    date = _date(int(time.time()))
    return f"HTTP/1.1 {_REASONS[answer.status]}\r\n{date}{own}{length}\r\n".encode("latin-1")


@lru_cache(maxsize=4)
def _date(now: int) -> str:
    return f"Date: {formatdate(now, usegmt=True)}\r\nServer: synthetic\r\n"
