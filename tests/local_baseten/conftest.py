"""A stand-in in front of the real Truss server, and one without any server at all."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from scripts.local_baseten.api import AsyncApi
from scripts.local_baseten.application import create_application
from scripts.local_baseten.request_queue import RequestQueue
from scripts.local_baseten.running import LocalBaseten, running_locally
from scripts.local_baseten.slots import Slots
from scripts.local_baseten.sync_predict import SyncPredict
from tests.local_baseten.caller import Caller, calling

TRUSSES = Path(__file__).parent.parent / "trusses"
API_KEY = "the right key"


@pytest.fixture(scope="session")
def obedient(tmp_path_factory) -> Iterator[LocalBaseten]:
    """Works on one request at a time, and does what the request says."""
    with running_locally(
        TRUSSES / "obedient",
        state_directory=tmp_path_factory.mktemp("obedient"),
        api_key=API_KEY,
        environment={"OUTBOX_SETTING": "passed on", "UNRELATED": "not passed on"},
    ) as running:
        yield running


@pytest.fixture
def caller(obedient: LocalBaseten, tmp_path: Path) -> Iterator[Caller]:
    with calling(obedient, tmp_path / "record") as caller:
        yield caller


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: float = 1_743_034_671.578558

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(tmp_path: Path, clock: Clock) -> Iterator[RequestQueue]:
    queue = RequestQueue.open(tmp_path / "queue.sqlite3", clock=clock)
    with contextlib.closing(queue):
        yield queue


class NoServer:
    """A model that never comes up."""

    is_ready = False

    async def url(self) -> str:
        raise AssertionError("nothing in these tests reaches the model")


@dataclass
class Bare:
    """The API on a queue that nobody works on."""

    queue: RequestQueue
    clock: Callable[[], float]
    submitted: list[str] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def client(self, *, key: str | None = None, max_waiting: int = 5_000) -> AsyncIterator:
        api = AsyncApi(
            self.queue,
            on_submit=lambda: self.submitted.append("one"),
            clock=self.clock,
            max_waiting=max_waiting,
        )
        async with httpx.AsyncClient() as upstream:
            sync = SyncPredict(NoServer(), upstream, slots=Slots(1))
            transport = httpx.ASGITransport(create_application(api, sync, api_key=key))
            async with httpx.AsyncClient(
                transport=transport,
                base_url="http://stand-in",
                headers={"authorization": "Api-Key any"},
            ) as client:
                yield client


@pytest.fixture
def bare(queue: RequestQueue, clock: Clock) -> Bare:
    return Bare(queue, clock)
