"""The servers of one Truss: how many, and whether they are up while nothing needs them."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..request_queue.slots import Slots
from ..settings import ServiceSettings
from .client import ModelClient
from .layout import TrussLayout
from .server import TrussServer

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


@dataclass(kw_only=True)
class TrussServers:
    """The servers of one Truss, up while `run()` runs, all the time or while they are needed.

    Each works in a directory of its own, a number in `directory`; `environment` is added to theirs.
    `on_change` is called when anything about a server has changed.
    """

    layout: TrussLayout
    model: ModelClient
    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    settings: ServiceSettings
    on_change: Callable[[], None]
    whole_tracebacks: bool = False

    def __post_init__(self) -> None:
        self.servers = [
            TrussServer(
                layout=self.layout,
                client=self.model,
                environment=self.environment,
                state_directory=self.directory / str(number),
                on_change=self._changed,
                whole_tracebacks=self.whole_tracebacks,
            )
            for number in range(self.settings.replicas)
        ]
        self.slots = Slots(self.servers, per_server=self.settings.concurrency_target)

    def _changed(self) -> None:
        self.slots.hand_out()
        self.on_change()

    @property
    def is_failing(self) -> bool:
        return any(server.failed_starts for server in self.servers)

    def replace(self, layout: TrussLayout) -> None:
        """Start the servers that are up again, with this layout; the others start with it."""
        self.layout = layout
        for server in self.servers:
            server.replace(layout)

    def wake(self) -> None:
        """Start the servers, should they not be up; a request that waits for a slot does so too."""
        self.slots.wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            async with asyncio.TaskGroup() as up:
                running = [up.create_task(server.run()) for server in self.servers]
                await self._until_idle()
                logger.info("nothing to do: scaling to zero")
                self.slots.wanted.clear()
                for server in running:
                    server.cancel()
            await self.slots.wanted.wait()
            logger.info("waking up")

    async def _until_idle(self) -> None:
        limit = self.settings.scale_to_zero_seconds
        while limit is None or self.slots.idle_seconds < limit:
            left = _LOOK_SECONDS if limit is None else limit - self.slots.idle_seconds
            await asyncio.sleep(min(max(left, 0.01), _LOOK_SECONDS))
