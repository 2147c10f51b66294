"""The model's server, kept up: started, watched, and started again when it dies."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..logs import ModelLine
from ..state_directory import ServerProcess
from .client import ModelClient
from .layout import TrussLayout
from .process import TrussProcess, running_truss

logger = logging.getLogger(__name__)

_FIRST_DELAY_SECONDS = 0.2
_DOUBLINGS = 7  # to some 25 seconds: a model that cannot start should not keep the CPU busy
_STARTING_SECONDS = 0.05
_RUNNING_SECONDS = 1.0


@dataclass(kw_only=True, eq=False)
class TrussServer:
    """Up while `run()` runs. `on_change` is called when anything in `process` has changed."""

    layout: TrussLayout
    client: ModelClient
    environment: Mapping[str, str] = field(repr=False)
    state_directory: Path
    on_change: Callable[[], None]
    pid: int | None = None
    failed_starts: int = 0
    url: str = ""
    is_ready: bool = False
    _was_ready: bool = False
    _last_error: str = ""

    @property
    def process(self) -> ServerProcess:
        return ServerProcess(
            pid=self.pid, url=self.url, is_ready=self.is_ready, failed_starts=self.failed_starts
        )

    async def run(self) -> None:
        """Keep the server up until cancelled; then it is ended."""
        while True:
            if await self._live():
                logger.warning("the model's server died; starting it again")
            else:
                self.failed_starts += 1
                self.on_change()
                logger.error("the model does not come up, trying again: %s", self._last_error)
            delay = _FIRST_DELAY_SECONDS * 2 ** min(self.failed_starts, _DOUBLINGS)
            await asyncio.sleep(delay)

    async def _live(self) -> bool:
        """One server's life. Returns whether it was ever ready."""
        self._last_error, self._was_ready = "its server said nothing", False
        try:
            async with running_truss(
                self.layout,
                environment=self.environment,
                secret=self.client.secret,
                state_directory=self.state_directory,
            ) as truss:
                self.pid, self.url = truss.process.pid, truss.url
                self.on_change()
                return await self._watch(truss)
        finally:
            self.pid, self.is_ready = None, False
            self.on_change()

    async def _watch(self, truss: TrussProcess) -> bool:
        log = asyncio.create_task(self._relay(truss.log))
        readiness = asyncio.create_task(self._follow_readiness())
        try:
            await truss.process.wait()
            # What the model has started may hold the log open.
            await asyncio.wait([log], timeout=1)
            return self._was_ready
        finally:
            readiness.cancel()
            log.cancel()

    async def _follow_readiness(self) -> None:
        """A model may become unready at any time; one that does not answer is busy, not unready."""
        while True:
            await asyncio.sleep(_RUNNING_SECONDS if self.is_ready else _STARTING_SECONDS)
            answer = await self.client.is_ready(self.url)
            if answer is not None and answer != self.is_ready:
                self._says(is_ready=answer)

    def _says(self, *, is_ready: bool) -> None:
        self.is_ready = is_ready
        if is_ready:
            self.failed_starts, self._was_ready = 0, True
            logger.info("the model is ready")
        else:
            logger.warning("the model says that it is not ready")
        self.on_change()

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
        # Kept for the message about a failed start. A line that is no JSON comes from outside
        # its logging, as the traceback of a failed import does.
        if line.level >= logging.ERROR or not line.is_structured:
            self._last_error = line.message.rpartition("\n")[2]
