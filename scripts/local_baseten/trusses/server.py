"""The model's server, kept up: started, watched, and started again when it dies."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..state_directory import ServerProcess
from .client import ModelClient
from .layout import TrussLayout
from .model_log import ModelLog
from .process import TrussProcess, running_truss

logger = logging.getLogger(__name__)

_FIRST_DELAY_SECONDS = 0.2
_DOUBLINGS = 7  # to some 25 seconds: a model that cannot start should not keep the CPU busy
_STARTING_SECONDS = 0.05
_RUNNING_SECONDS = 1.0

_COUNTED = re.compile(r"\b[0-9a-f]*[0-9][0-9a-f]*\b")
"""What differs each time though the reason is the same: times, addresses, names that were drawn."""


@dataclass(kw_only=True, eq=False)
class TrussServer:
    """Up while `run()` runs. `on_change` is called when anything in `process` has changed."""

    layout: TrussLayout
    client: ModelClient
    environment: Mapping[str, str] = field(repr=False)
    state_directory: Path
    on_change: Callable[[], None]
    whole_tracebacks: bool = False
    pid: int | None = None
    failed_starts: int = 0
    url: str = ""
    is_ready: bool = False
    _was_ready: bool = False
    _told: str = ""
    _replaced: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def process(self) -> ServerProcess:
        return ServerProcess(
            pid=self.pid, url=self.url, is_ready=self.is_ready, failed_starts=self.failed_starts
        )

    def replace(self, layout: TrussLayout) -> None:
        """Start the server again, with this layout; what runs on it loses its connection."""
        self.layout, self.failed_starts, self._told = layout, 0, ""
        self._replaced.set()

    async def run(self) -> None:
        """Keep the server up until cancelled; then it is ended."""
        while True:
            self._replaced.clear()
            why = await self._live()
            if self._replaced.is_set():
                continue
            if self._was_ready:
                logger.warning("the model's server died, %s; starting it again", why)
            else:
                self.failed_starts += 1
                self.on_change()
                self._tell(why)
            delay = _FIRST_DELAY_SECONDS * 2 ** min(self.failed_starts, _DOUBLINGS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._replaced.wait()

    def _tell(self, why: str) -> None:
        """Once: it is tried again and again, and each time for the same reason as a rule."""
        reason = _COUNTED.sub("", why)
        if reason != self._told:
            logger.error("the model does not come up: %s", why)
            logger.info("it is tried again meanwhile, and at once when a file of it changes")
        self._told = reason

    async def _live(self) -> str:
        """One server's life, and why it ended."""
        self._was_ready = False
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

    async def _watch(self, truss: TrussProcess) -> str:
        said = ModelLog(
            layout=self.layout,
            whole_tracebacks=self.whole_tracebacks,
            is_quiet=bool(self._told),
        )
        ended = asyncio.create_task(truss.process.wait())
        replaced = asyncio.create_task(self._replaced.wait())
        log = asyncio.create_task(_relay(truss.log, said))
        readiness = asyncio.create_task(self._follow_readiness())
        try:
            await asyncio.wait([ended, replaced], return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                # What the model has started may hold the log open.
                await asyncio.wait([log], timeout=1)
            return said.why_it_ended(truss.process.returncode)
        finally:
            for task in (ended, replaced, log, readiness):
                task.cancel()

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
            self.failed_starts, self._was_ready, self._told = 0, True, ""
            logger.info("the model is ready")
        else:
            logger.warning("the model says that it is not ready")
        self.on_change()


async def _relay(lines: asyncio.StreamReader, log: ModelLog) -> None:
    while True:
        try:
            line = await lines.readline()
        except ValueError:  # longer than the reader takes: dropped
            continue
        if not line:
            return
        log.repeat(line.decode(errors="replace").rstrip())
