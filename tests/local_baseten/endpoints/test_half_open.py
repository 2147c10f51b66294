"""Connections to the stand-in's own server on which no request comes."""

import asyncio
import contextlib
import socket

import pytest
from starlette.responses import Response

from local_baseten.endpoints.application import HttpServer


async def _answer(_, __, send) -> None:
    await Response(status_code=204)(None, None, send)


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX: "], ids=["nothing", "half"]
)
def test_a_connection_that_asks_nothing_is_ended(sent):
    async def scenario() -> bytes:
        server = HttpServer(_answer, finish_seconds=1, header_seconds=0.2)
        with socket.socket(proto=socket.IPPROTO_TCP) as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()  # so that the connection may come before the server
            running = asyncio.create_task(server.run_on(listener))
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(sent)
            async with asyncio.timeout(20):
                read = await reader.read()
            server.finish()
            with contextlib.suppress(ConnectionError):
                writer.close()
            await running
            return read

    assert asyncio.run(scenario()) == b""
