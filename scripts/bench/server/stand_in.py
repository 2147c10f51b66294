"""What the stand-in's queue costs: requests through it, against its Truss server asked directly.

The inference does nothing, and one client with `IN_FLIGHT` calls at once drives both in turn. The
client is the bench's own: a general one takes as much of two processors as the stand-in does.
"""

import asyncio
import contextlib
import json
import re
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import uvloop

from local_baseten.request_queue.database import Database
from local_baseten.request_queue.request import Status
from local_baseten.request_queue.requests import RequestQueue
from local_baseten.running import LocalBaseten, running_locally

from ..measuring import verdict

REQUESTS = 500
ROUNDS = 11
"""Short and many: what else the machine does then falls on both sides."""
IN_FLIGHT = 16
IDLE_REQUESTS = 100
UNLIMITED = 1e9
_LEAST_WAIT_SECONDS, _WAIT_SECONDS = 0.002, 0.0002
"""In all, and for each request that is left: asking takes from what is measured."""
LEAST_RATIO = 0.9
MOST_IDLE_SECONDS = 0.003
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)

_MODEL = """class Model:
    def predict(self, model_input):
        return {}
"""
_CONFIG = f"""model_name: nothing
python_version: py311
runtime:
  predict_concurrency: {IN_FLIGHT}
"""


def measure() -> str:
    with TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "truss" / "model").mkdir(parents=True)
        (directory / "truss" / "config.yaml").write_text(_CONFIG)
        (directory / "truss" / "model" / "model.py").write_text(_MODEL)
        state = directory / "state"
        with running_locally(
            directory / "truss",
            state_directory=state,
            concurrency_target=IN_FLIGHT,
            submits_per_second=UNLIMITED,
            status_per_second=UNLIMITED,
        ) as local:
            rates = uvloop.run(_drive(local))
        return _report(rates, _idle_seconds(state))


class _Caller(asyncio.Protocol):
    """One connection, on which the same request is asked as often as `turns` has one.

    No more than that, as whatever it takes of two processors is taken from what is measured.
    """

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no instance

    async def ask(self, request: bytes, turns: Iterator[int]) -> bytes:
        """The last answer's body. Raises SystemExit where one is no success."""
        if self.transport.is_closing():
            raise SystemExit("the server hung up")
        self._request, self._turns, self._received = request, turns, b""
        self._last: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._ask_on(b"")
        return await self._last

    def _ask_on(self, body: bytes) -> None:
        if next(self._turns, None) is None:
            self._last.set_result(body)
        else:
            self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or (length and len(body) < int(length[1])):
            return
        self._received = b""
        if head.startswith(b"HTTP/1.1 2"):
            self._ask_on(body)
        else:
            self._last.set_exception(SystemExit(f"{head!r} {body!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._last.done():
            self._last.set_exception(SystemExit(f"the server hung up: {exc}"))


@dataclass(frozen=True, slots=True)
class _Client:
    """Of one server, with `IN_FLIGHT` connections that are kept."""

    host: str
    headers: Mapping[str, str]
    callers: Sequence[_Caller]

    @classmethod
    async def connected(cls, url: str, headers: Mapping[str, str]) -> "_Client":
        host = url.removeprefix("http://")
        name, _, port = host.partition(":")
        loop = asyncio.get_running_loop()
        made = [await loop.create_connection(_Caller, name, int(port)) for _ in range(IN_FLIGHT)]
        return cls(host, headers, [caller for _, caller in made])

    async def call(self, method: str, path: str, body: bytes = b"", count: int = 1) -> bytes:
        """All connections in turn, until it was asked so often; one of the last answers."""
        fields = {"host": self.host, "content-length": str(len(body)), **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        request = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body
        turns = iter(range(count))
        callers = self.callers[:count]
        return (await asyncio.gather(*(one.ask(request, turns) for one in callers)))[0]

    def close(self) -> None:
        for caller in self.callers:
            caller.transport.close()


async def _drive(local: LocalBaseten) -> list[tuple[float, float]]:
    """Requests per second directly and through the queue, by round; then idle requests."""
    running = local.processes()
    key = {"authorization": f"Api-Key {local.api_key}", "content-type": "application/json"}
    model = await _Client.connected(running.model_url, {**key, **running.model_headers})
    queue = await _Client.connected(local.base_url, key)
    await _directly(model, REQUESTS // 10)
    await _through_queue(queue, REQUESTS // 10)
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        await _directly(model, REQUESTS)
        middle = time.perf_counter()
        await _through_queue(queue, REQUESTS)
        end = time.perf_counter()
        rates.append((REQUESTS / (middle - start), REQUESTS / (end - middle)))
    for _ in range(IDLE_REQUESTS):
        await _through_queue(queue, 1)
    model.close()
    queue.close()
    return rates


async def _directly(model: _Client, count: int) -> None:
    await model.call("POST", "/v1/models/model:predict", b"{}", count)


async def _through_queue(queue: _Client, count: int) -> None:
    """Until the last one has ended."""
    await queue.call("POST", "/production/async_predict", b'{"model_input": {}}', count)
    while True:
        counts = json.loads(await queue.call("GET", "/production/async_queue_status"))
        left = counts["num_queued_requests"] + counts["num_in_progress_requests"]
        if not left:
            return
        await asyncio.sleep(max(_LEAST_WAIT_SECONDS, left * _WAIT_SECONDS))


def _idle_seconds(state: Path) -> list[float]:
    """The last requests' time in the queue, by its own records."""
    with contextlib.closing(Database.open(state / "queue.sqlite3")) as database:
        requests = RequestQueue(database).latest([Status.SUCCEEDED], limit=IDLE_REQUESTS)
    return [
        request.started_at - request.created_at
        for request in requests
        if request.started_at is not None
    ]


def _report(rates: list[tuple[float, float]], idle: list[float]) -> str:
    lines = [f"{direct:7.0f} /s direct  {queued:7.0f} /s queued\n" for direct, queued in rates]
    ratio = statistics.median(queued / direct for direct, queued in rates)
    idle_seconds = statistics.median(idle)
    return (
        f"{REQUESTS} requests, {IN_FLIGHT} at once\n{''.join(lines)}"
        f"ratio, median      {ratio:6.2f} ({verdict(LEAST_RATIO, is_met=ratio >= LEAST_RATIO)})\n"
        f"in the idle queue, median {idle_seconds:6.4f} s"
        f" ({verdict(MOST_IDLE_SECONDS, is_met=idle_seconds <= MOST_IDLE_SECONDS)})\n"
    )
