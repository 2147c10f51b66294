"""What the stand-in's queue costs: requests through it, against its Truss server asked directly.

The inference does nothing, and one client with `IN_FLIGHT` calls at once drives both in turn. It is
the stand-in's own: a general one takes as much of two processors as the stand-in does.
"""

import asyncio
import contextlib
import http
import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from local_baseten.request_queue.database import Database
from local_baseten.request_queue.request import Status
from local_baseten.request_queue.requests import RequestQueue
from local_baseten.running import LocalBaseten, running_locally
from local_baseten.trusses.connections import Connections

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


@dataclass(frozen=True, slots=True)
class _Client:
    headers: Mapping[str, str]
    connections: Connections = field(default_factory=Connections)

    async def call(self, method: str, url: str, body: bytes = b"") -> bytes:
        answer = await self.connections.request(method, url, headers=self.headers, body=body)
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise SystemExit(f"{url} answered {answer.status}")
        return answer.body

    async def post(self, url: str, body: bytes, count: int) -> None:
        numbers = iter(range(count))

        async def post_on() -> None:
            for _ in numbers:
                await self.call("POST", url, body)

        await asyncio.gather(*(post_on() for _ in range(IN_FLIGHT)))


async def _drive(local: LocalBaseten) -> list[tuple[float, float]]:
    """Requests per second directly and through the queue, by round; then idle requests."""
    running = local.processes()
    key = {"authorization": f"Api-Key {local.api_key}", "content-type": "application/json"}
    client = _Client({**key, **running.model_headers})
    model_url = f"{running.model_url}/v1/models/model:predict"
    await client.post(model_url, b"{}", REQUESTS // 10)
    await _through_queue(client, local, REQUESTS // 10)
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        await client.post(model_url, b"{}", REQUESTS)
        middle = time.perf_counter()
        await _through_queue(client, local, REQUESTS)
        end = time.perf_counter()
        rates.append((REQUESTS / (middle - start), REQUESTS / (end - middle)))
    for _ in range(IDLE_REQUESTS):
        await _through_queue(client, local, 1)
    client.connections.close()
    return rates


async def _through_queue(client: _Client, local: LocalBaseten, count: int) -> None:
    """Until the last one has ended."""
    url = f"{local.base_url}/production"
    await client.post(f"{url}/async_predict", b'{"model_input": {}}', count)
    while True:
        counts = json.loads(await client.call("GET", f"{url}/async_queue_status"))
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
