"""The model's server, kept up: started, watched, and started again when it dies."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from scripts.local_baseten.logs import ModelLine
from scripts.local_baseten.truss_layout import TrussLayout
from scripts.local_baseten.truss_process import TrussProcess, running_truss

logger = logging.getLogger(__name__)

_FIRST_DELAY_SECONDS = 0.2
_DOUBLINGS = 7  # to some 25 seconds
_POLL_SECONDS = 0.05


class TrussServer:
    """Up while `run()` runs. `on_change` is called when a public attribute has changed."""

    def __init__(
        self,
        layout: TrussLayout,
        client: httpx.AsyncClient,
        *,
        environment: Mapping[str, str],
        state_directory: Path,
        on_change: Callable[[], None],
    ) -> None:
        self.pid: int | None = None
        self.failed_starts = 0
        self._layout = layout
        self._client = client
        self._environment = environment
        self._state_directory = state_directory
        self._on_change = on_change
        self._ready = asyncio.Event()
        self.model_url = ""
        self._last_error = ""

    @property
    def is_ready(self) -> bool:
        return self._ready.is_set()

    async def url(self) -> str:
        """The address of a server whose model is loaded, as soon as there is one."""
        await self._ready.wait()
        return self.model_url

    async def run(self) -> None:
        """Keep the server up until cancelled; then it is ended."""
        while True:
            if await self._live():
                logger.warning("the model's server died; starting it again")
            else:
                self.failed_starts += 1
                self._on_change()
                logger.error("the model does not come up, trying again: %s", self._last_error)
            delay = _FIRST_DELAY_SECONDS * 2 ** min(self.failed_starts, _DOUBLINGS)
            await asyncio.sleep(delay)

    async def _live(self) -> bool:
        """One server's life. Returns whether it was ever ready."""
        self._last_error = "its server said nothing"
        try:
            async with running_truss(
                self._layout, environment=self._environment, state_directory=self._state_directory
            ) as truss:
                self.pid, self.model_url = truss.process.pid, truss.url
                self._on_change()
                return await self._watch(truss)
        finally:
            self._ready.clear()
            self.pid = None
            self._on_change()

    async def _watch(self, truss: TrussProcess) -> bool:
        log = asyncio.create_task(self._relay(truss.log))
        readiness = asyncio.create_task(self._await_readiness())
        try:
            await truss.process.wait()
            # What the model has started may hold the log open.
            await asyncio.wait([log], timeout=1)
            return self.is_ready
        finally:
            readiness.cancel()
            log.cancel()

    async def _await_readiness(self) -> None:
        ready = False
        while not ready:
            await asyncio.sleep(_POLL_SECONDS)
            with contextlib.suppress(httpx.TransportError):
                answer = await self._client.get(f"{self.model_url}/v1/models/model", timeout=5)
                ready = answer.is_success
        self.failed_starts = 0
        self._ready.set()
        logger.info("the model is ready")
        self._on_change()

    async def _relay(self, log: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await log.readline()
            except ValueError:  # longer than the reader takes: dropped
                continue
            if not line:
                return
            self._repeat(ModelLine.parse(line.decode(errors="replace").rstrip()))

    def _repeat(self, line: ModelLine) -> None:
        line.log()
        # What is no JSON comes from outside its logging, as the traceback of a failed import does.
        if line.level >= logging.ERROR or not line.is_structured:
            self._last_error = line.message.rpartition("\n")[2]
