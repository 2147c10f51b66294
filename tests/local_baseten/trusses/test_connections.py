"""HTTP to a server that answers as each test says."""

import asyncio
import contextlib
import socket

import pytest

from local_baseten.trusses.connections import Connections, HttpAnswer, LostError, RefusedError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers each request with `answer`; `heads` are what it was sent, one list a connection."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[list[str]] = []
        self.bodies: list[bytes] = []
        self.hung_up = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.append(asyncio.current_task())
        heads: list[str] = []
        self.heads.append(heads)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                heads.append(head)
                length = head.partition("content-length: ")[2].partition("\r\n")[0]
                self.bodies.append(await reader.readexactly(int(length)))
                if self.answer:
                    writer.write(self.answer)
                    if b"\r\n\r\n" not in self.answer or b"Connection: close" in self.answer:
                        break
        self.hung_up.set()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def asking(answer: bytes, scenario) -> tuple[object, Server]:
    async def run() -> tuple[object, Server]:
        server = Server(answer)
        listening = await asyncio.start_server(server, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/path"
        connections = Connections()

        async def ask(body: bytes = b"{}") -> HttpAnswer:
            return await connections.request("POST", url, headers={"a": "b"}, body=body)

        try:
            async with asyncio.timeout(20):
                return await scenario(ask, server), server
        finally:
            connections.close()
            listening.close()
            await asyncio.gather(*server.tasks)

    return asyncio.run(run())


def test_a_connection_is_used_again_and_all_is_sent():
    async def scenario(ask, _):
        return [await ask(), await ask(b"x" * 300_000)]

    answers, server = asking(OK, scenario)

    assert [(one.status, one.body) for one in answers] == [(200, b"{}")] * 2
    assert [len(heads) for heads in server.heads] == [2]
    assert server.bodies == [b"{}", b"x" * 300_000]
    assert server.heads[0][0].startswith("POST /path HTTP/1.1\r\nhost: 127.0.0.1:")
    assert "\r\na: b\r\n" in server.heads[0][0]


def test_requests_at_once_have_a_connection_each():
    async def scenario(ask, _):
        return await asyncio.gather(ask(), ask(), ask())

    _, server = asking(OK, scenario)

    assert len(server.heads) == 3


def test_pieces_are_put_together_and_their_header_is_told():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"

    answer, _ = asking(chunked, lambda ask, _: ask())

    assert (answer.body, answer.headers) == (b"abc", {"transfer-encoding": "chunked"})


def test_a_connection_the_server_ends_is_not_used_again():
    closing = b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    async def scenario(ask, _):
        return [(await ask()).status, (await ask()).status]

    statuses, server = asking(closing, scenario)

    assert (statuses, len(server.heads)) == ([503, 503], 2)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n", b"no HTTP at all\n"])
def test_an_answer_that_breaks_off_or_is_none_is_lost(answer):
    with pytest.raises(LostError):
        asking(answer, lambda ask, _: ask())


def test_where_nobody_listens_it_is_refused():
    async def scenario() -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
            await Connections().request("GET", url, headers={})

    with pytest.raises(RefusedError):
        asyncio.run(scenario())


def test_a_caller_who_gives_up_hangs_up():
    async def scenario(ask, server):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ask()
        await server.hung_up.wait()

    asking(b"", scenario)
