"""Whether storing holds up the inference: predict's throughput with a slow bucket and without."""

import functools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ParamSpec, TypeVar

from truss_outbox.contract import KeyTemplate, Manifest, ModelInfo, Outputs
from truss_outbox.contract.keys import DEFAULT_TEMPLATE
from truss_outbox.serving.outbox import BoundedExecutor, Outbox
from truss_outbox.serving.request import InferenceRequest
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


class Sleeper:
    """An inference that takes its time and little else."""

    def run(self, request: object, work_directory: Path) -> Outputs:  # noqa: ARG002
        time.sleep(INFERENCE_SECONDS)
        files = {name: work_directory / name for name in FILES}
        for path in files.values():
            path.write_bytes(bytes(16 << 10))
        return Outputs(files=files)


@dataclass
class Slot:
    """Truss's semaphore around predict, and when it was first taken and last given back."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    taken: list[float] = field(default_factory=list)
    given_back: list[float] = field(default_factory=list)

    def __enter__(self) -> None:
        self.lock.acquire()
        self.taken.append(time.perf_counter())

    def __exit__(self, *_: object) -> None:
        self.given_back.append(time.perf_counter())
        self.lock.release()

    @property
    def throughput(self) -> float:
        return len(self.taken) / (self.given_back[-1] - self.taken[0])


def measure() -> str:
    """Both serve the same requests as Truss does: `IN_FLIGHT` at once, one of them in predict."""
    alone, storing = _throughput_alone(), _throughput_storing()
    ratio = storing / alone
    return (
        f"{REQUESTS} requests, {INFERENCE_SECONDS * 1000:.0f} ms of inference each,"
        f" {len(FILES)} artifacts, {BUCKET_SECONDS * 1000:.0f} ms added to every bucket call\n"
        f"without storage  {alone:6.2f} requests per second\n"
        f"with storage     {storing:6.2f}\n"
        f"ratio            {ratio:6.3f} ({verdict(LIMIT, is_met=ratio >= LIMIT)})\n"
    )


def _throughput_alone() -> float:
    slot = Slot()

    def serve(_: int) -> None:
        with TemporaryDirectory() as directory, slot:
            Sleeper().run(None, Path(directory))

    return _driven(serve, slot)


def _throughput_storing() -> float:
    slot, outbox = Slot(), _outbox()

    def serve(number: int) -> None:
        metadata = {"job": "slot", "item": str(number)}
        step = outbox.prepare({"metadata": metadata}, request_id=str(number))
        if isinstance(step, Manifest):
            raise TypeError("was stored before")
        with slot:
            stored = outbox.run(step)
        stored.result()

    return _driven(serve, slot)


def _driven(serve: Callable[[int], None], slot: Slot) -> float:
    with ThreadPoolExecutor(IN_FLIGHT) as requests:
        list(requests.map(serve, range(REQUESTS)))
    return slot.throughput


def _outbox() -> Outbox:
    return Outbox(
        store=SlowStore(),
        template=KeyTemplate.parse(DEFAULT_TEMPLATE),
        model=ModelInfo(name="slot", version="1"),
        inference=Sleeper(),
        request_type=InferenceRequest,
        uploads=BoundedExecutor(OutboxSettings.max_pending_results),
        max_document_bytes=1,
    )
