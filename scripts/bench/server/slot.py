"""Whether storing holds up the inference: predict's throughput with a slow bucket and without."""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ParamSpec, TypeVar

from anyio import to_thread

from truss_outbox import Outbox, Outputs
from truss_outbox.contract.root import Root
from truss_outbox.serving.settings import OutboxSettings
from truss_outbox.stores.memory import MemoryStore

from ..measuring import verdict

REQUESTS = 300
IN_FLIGHT = 40
"""As many as Truss has threads for."""
INFERENCE_SECONDS = 0.05
BUCKET_SECONDS = 0.2
FILES = ("document.json", "text.txt", "lines.csv", "searchable.pdf", "page-0001.png")
LIMIT = 0.95

P = ParamSpec("P")
T = TypeVar("T")


def _slow(call: Callable[P, T]) -> Callable[P, T]:
    @functools.wraps(call)
    def slow(*arguments: P.args, **keywords: P.kwargs) -> T:
        time.sleep(BUCKET_SECONDS)
        return call(*arguments, **keywords)

    return slow


class SlowStore(MemoryStore):
    """Every call takes `BUCKET_SECONDS` more."""

    put_file = _slow(MemoryStore.put_file)
    create = _slow(MemoryStore.create)
    get = _slow(MemoryStore.get)
    get_file = _slow(MemoryStore.get_file)
    delete = _slow(MemoryStore.delete)


def sleep(model_input: object, work_directory: Path) -> Outputs:  # noqa: ARG001
    """An inference that takes its time and little else."""
    time.sleep(INFERENCE_SECONDS)
    files = {name: work_directory / name for name in FILES}
    for path in files.values():
        path.write_bytes(bytes(16 << 10))
    return Outputs(files=files)


@dataclass
class Slot:
    """Truss's semaphore around predict, and when it was first taken and last given back."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    taken: list[float] = field(default_factory=list)
    given_back: list[float] = field(default_factory=list)

    async def __aenter__(self) -> None:
        await self.lock.acquire()
        self.taken.append(time.perf_counter())

    async def __aexit__(self, *_: object) -> None:
        self.given_back.append(time.perf_counter())
        self.lock.release()

    @property
    def throughput(self) -> float:
        return len(self.taken) / (self.given_back[-1] - self.taken[0])


Ask = Callable[[int, Slot], Awaitable[None]]
"""Takes a request, by its number, through the slot."""


def measure() -> str:
    """Both serve the same requests as Truss does: `IN_FLIGHT` at once, one of them in predict."""
    alone, storing = (asyncio.run(_driven(ask)) for ask in (_run_alone, _storing(_outbox())))
    ratio = storing / alone
    return (
        f"{REQUESTS} requests, {INFERENCE_SECONDS * 1000:.0f} ms of inference each,"
        f" {len(FILES)} artifacts, {BUCKET_SECONDS * 1000:.0f} ms added to every bucket call\n"
        f"without storage  {alone:6.2f} requests per second\n"
        f"with storage     {storing:6.2f}\n"
        f"ratio            {ratio:6.3f} ({verdict(LIMIT, is_met=ratio >= LIMIT)})\n"
    )


async def _run_alone(_: int, slot: Slot) -> None:
    with TemporaryDirectory() as directory:
        async with slot:
            await to_thread.run_sync(sleep, None, Path(directory))


def _storing(outbox: Outbox) -> Ask:
    async def ask(number: int, slot: Slot) -> None:
        metadata = {"job": "slot", "item": str(number)}
        begin = functools.partial(outbox.begin, {"metadata": metadata}, request_id=str(number))
        work = await to_thread.run_sync(begin)
        if work.manifest is not None:
            raise TypeError("was stored before")
        async with slot:
            await outbox.store(work, sleep)
        await outbox.finish(work)

    return ask


async def _driven(ask: Ask) -> float:
    slot, numbers = Slot(), iter(range(REQUESTS))

    async def ask_on() -> None:
        for number in numbers:
            await ask(number, slot)

    await asyncio.gather(*(ask_on() for _ in range(IN_FLIGHT)))
    return slot.throughput


def _outbox() -> Outbox:
    return Outbox(
        settings=OutboxSettings(root=Root.parse("memory://slot")),
        bucket=SlowStore(),
        model_name="slot",
    )
