"""A stand-in in front of the real Truss server, and one without any server at all."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from local_baseten.endpoints.application import create_application
from local_baseten.endpoints.async_api import AsyncEndpoints
from local_baseten.endpoints.sync_api import SyncPredict
from local_baseten.faults.faults import Faults
from local_baseten.measuring.history import History
from local_baseten.measuring.metrics import Metrics
from local_baseten.measuring.observer import Observer
from local_baseten.page.page import StatusPage
from local_baseten.page.results import Results
from local_baseten.request_queue.database import Database
from local_baseten.request_queue.group_commit import GroupCommit
from local_baseten.request_queue.request import AsyncRequest, RetryPolicy
from local_baseten.request_queue.requests import RequestQueue
from local_baseten.request_queue.slots import Slots
from local_baseten.running import LocalBaseten, running_locally
from local_baseten.settings import ServiceSettings
from local_baseten.trusses.client import ModelClient
from tests.local_baseten.caller import Caller, calling
from truss_outbox.stores import ObjectStore
from truss_outbox.stores.memory import MemoryStore

TRUSSES = Path(__file__).parent.parent / "trusses"
API_KEY = "the right key"


# Ended with the last test of this package: an idle server takes a hundredth of a processor.
@pytest.fixture(scope="package")
def obedient(tmp_path_factory) -> Iterator[LocalBaseten]:
    """Works on one request at a time, and does what the request says."""
    with running_locally(
        TRUSSES / "obedient",
        state_directory=tmp_path_factory.mktemp("obedient"),
        api_key=API_KEY,
        submits_per_second=1_000,
        status_per_second=1_000,
        environment={
            "OUTBOX_ROOT": "file:///results",
            "OUTBOX_SETTING": "passed on",
            "UNRELATED": "not passed on",
        },
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
def database(tmp_path: Path) -> Iterator[Database]:
    with contextlib.closing(Database.open(tmp_path / "queue.sqlite3")) as database:
        yield database


@pytest.fixture
def queue(database: Database, clock: Clock) -> RequestQueue:
    return RequestQueue(database, clock=clock)


@pytest.fixture
def add(queue, clock):
    def add(
        name: str,
        *,
        priority: int = 0,
        max_time_in_queue_seconds: float = 600,
        webhook: str | None = None,
        text: str = "",
    ) -> AsyncRequest:
        request = AsyncRequest(
            request_id=name,
            deployment_id="production",
            model_input=json.dumps({"name": name, "text": text}),
            priority=priority,
            created_at=clock(),
            status_at=clock(),
            expires_at=clock() + max_time_in_queue_seconds,
            retry=RetryPolicy(max_attempts=4, initial_delay_ms=5, max_delay_ms=6),
            webhook_endpoint=webhook,
        )
        queue.add(request)
        return request

    return add


@dataclass
class Bare:
    """The API on a queue that nobody works on."""

    database: Database
    queue: RequestQueue
    clock: Callable[[], float]
    submitted: list[str] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    faults: Faults = field(default_factory=lambda: Faults({}))

    store: ObjectStore = field(default_factory=lambda: MemoryStore("memory://results"))

    def page(self, commits: GroupCommit) -> StatusPage:
        metrics = Metrics(model_name="bare")
        return StatusPage(
            queue=self.queue,
            commits=commits,
            results=Results(lambda: self.store),
            observer=Observer(metrics=metrics, history=History(), clock=self.clock),
            model_name="bare",
        )

    @contextlib.asynccontextmanager
    async def client(
        self, *, key: str = "any", is_chain: bool = False, **limits: float
    ) -> AsyncIterator:
        async with GroupCommit(self.database) as commits, ModelClient() as model:
            api = AsyncEndpoints(
                queue=self.queue,
                commits=commits,
                on_submit=lambda: self.submitted.append("one"),
                on_wake=lambda: self.woken.append("once"),
                settings=ServiceSettings(**limits),
                faults=self.faults,
            )
            sync = SyncPredict(model=model, slots=Slots([], per_server=1))
            application = create_application(
                api,
                sync.answer,
                self.page(commits),
                api_key=key,
                hosts=["stand-in"],
                is_chain=is_chain,
                chainlets={},
            )
            transport = httpx.ASGITransport(application, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport,
                base_url="http://stand-in",
                headers={"authorization": "Api-Key any"},
            ) as client:
                yield client


@pytest.fixture
def bare(database: Database, queue: RequestQueue, clock: Clock) -> Bare:
    return Bare(database, queue, clock)
