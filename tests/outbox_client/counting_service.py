"""A service that takes every request and counts: what arrives in any second, what is in flight.

Its own process, so that its clock is not held up by what it counts.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.request import urlopen


class Count:
    """Calls in the second up to the latest, and the most there ever were."""

    def __init__(self) -> None:
        self.all = self.most = 0
        self.first = self.last = 0.0
        self._latest: deque[float] = deque()

    def add(self) -> None:
        now = time.monotonic()
        self.all += 1
        self.first, self.last = self.first or now, now
        self._latest.append(now)
        while self._latest[0] <= now - 1:
            self._latest.popleft()
        self.most = max(self.most, len(self._latest))

    def summary(self) -> dict[str, float]:
        seconds = self.last - self.first
        rate = (self.all - 1) / seconds if seconds else 0.0
        return {"all": self.all, "most": self.most, "rate": rate}


class Service:
    """Answers after `latency`; each request is in flight for `run` seconds."""

    def __init__(self, *, latency: float, run: float, cap: int) -> None:
        self.latency, self.run, self.cap = latency, run, cap
        self.submits, self.calls = Count(), Count()
        self.in_flight = self.most_in_flight = self.refused = self.connections = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = [
                    line for line in head.split("\r\n") if line.lower().startswith("content-l")
                ]
                if length:
                    await reader.readexactly(int(length[0].split(":")[1]))
                status, answer = await self._answer(*head.split(" ")[:2])
                data = json.dumps(answer).encode()
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
                    f"content-length: {len(data)}\r\n\r\n".encode()
                    + data
                )
                await writer.drain()
        writer.close()

    async def _answer(self, method: str, path: str) -> tuple[int, object]:
        if path == "/counted":
            return 200, {
                "submits": self.submits.summary(),
                "calls": self.calls.summary(),
                "most_in_flight": self.most_in_flight,
                "refused": self.refused,
                "connections": self.connections,
            }
        if method == "POST":
            return await self._submit()
        self.calls.add()
        await asyncio.sleep(self.latency)
        counts = {"num_queued_requests": self.in_flight, "num_in_progress_requests": 0}
        return 200, {"model_id": "m", "deployment_id": "d", **counts}

    async def _submit(self) -> tuple[int, object]:
        self.submits.add()
        if self.in_flight >= self.cap:
            self.refused += 1
            return 429, {"error": "too many"}
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        asyncio.get_running_loop().call_later(self.run, self._end)
        await asyncio.sleep(self.latency)
        return 201, {"request_id": uuid.uuid4().hex}

    def _end(self) -> None:
        self.in_flight -= 1


@dataclass
class Counting:
    base_url: str

    def counted(self) -> dict:
        with urlopen(f"{self.base_url}/counted") as answer:
            return json.load(answer)


@contextlib.contextmanager
def counting_service(
    *, latency: float = 0.0, run: float = 0.5, cap: int = 10**9
) -> Iterator[Counting]:
    command = [
        sys.executable,
        "-m",
        "tests.outbox_client.counting_service",
        str(latency),
        str(run),
        str(cap),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield Counting(base_url=process.stdout.readline().decode().strip())
        process.stdin.close()
        process.wait(10)


async def _main(latency: str, run: str, cap: str) -> None:
    service = Service(latency=float(latency), run=float(run), cap=int(cap))
    server = await asyncio.start_server(service.connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
