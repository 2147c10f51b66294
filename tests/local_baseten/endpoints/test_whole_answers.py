"""How the stand-in's own server puts answers on the wire."""

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable

import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse

from local_baseten.endpoints.application import HttpServer

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ASK_ONCE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@contextlib.asynccontextmanager
async def connected(answer: Callable[[], Response]) -> AsyncIterator[socket.socket]:
    """A bare socket to a server that gives this answer."""

    async def application(scope, receive, send) -> None:
        await answer()(scope, receive, send)

    server = HttpServer(application, finish_seconds=1)
    with socket.socket(proto=socket.IPPROTO_TCP) as listener, socket.socket() as caller:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        running = asyncio.create_task(server.run_on(listener))
        caller.setblocking(False)
        await asyncio.get_running_loop().sock_connect(caller, listener.getsockname())
        try:
            async with asyncio.timeout(60):
                yield caller
        finally:
            caller.close()
            server.finish()
            await running


async def _receive(caller: socket.socket) -> bytes:
    return await asyncio.get_running_loop().sock_recv(caller, 1 << 20)


async def _receive_all(caller: socket.socket) -> bytes:
    received = b""
    while piece := await _receive(caller):
        received += piece
    return received


def _received_segments(caller: socket.socket) -> int:
    """With data in them; `tcpi_data_segs_in` of Linux's tcp_info."""
    information = caller.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 156)
    return struct.unpack_from("=I", information, 152)[0]


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")
def test_an_answer_comes_in_one_segment():
    count = 30

    async def scenario() -> int:
        async with connected(lambda: JSONResponse({"request_id": "x"}, 201)) as caller:
            for _ in range(count):
                await asyncio.get_running_loop().sock_sendall(caller, ASK)
                assert (await _receive(caller)).endswith(b'{"request_id":"x"}')
            return _received_segments(caller)

    assert asyncio.run(scenario()) == count


@pytest.mark.parametrize("size", [1, 64 << 10, 10 << 20])
def test_an_answer_is_whole_before_its_connection_is_closed(size):
    async def scenario() -> bytes:
        async with connected(lambda: Response(b"x" * size)) as caller:
            await asyncio.get_running_loop().sock_sendall(caller, ASK_ONCE)
            return await _receive_all(caller)

    head, _, body = asyncio.run(scenario()).partition(b"\r\n\r\n")

    assert b"connection: close" in head
    assert body == b"x" * size


def test_each_piece_of_a_stream_comes_before_the_next_is_made():
    async def scenario() -> list[bytes]:
        received = asyncio.Queue()

        async def pieces() -> AsyncIterator[bytes]:
            for number in range(3):
                yield f"piece {number}".encode()
                await received.get()

        async with connected(lambda: StreamingResponse(pieces())) as caller:
            await asyncio.get_running_loop().sock_sendall(caller, ASK)
            answers = []
            for number in range(3):
                answer = b""
                while f"piece {number}".encode() not in answer:
                    answer += await _receive(caller)
                answers.append(answer)
                await received.put(None)
            return answers

    assert len(asyncio.run(scenario())) == 3


def test_a_reader_that_is_slow_holds_up_what_is_made_for_it():
    async def scenario() -> int:
        made = 0

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal made
            for _ in range(10_000):
                made += 1
                yield bytes(10_000)

        async with connected(lambda: StreamingResponse(pieces())) as caller:
            await asyncio.get_running_loop().sock_sendall(caller, ASK)
            await _receive(caller)
            await asyncio.sleep(0.5)
            return made

    assert 0 < asyncio.run(scenario()) < 5_000
