"""What is served, deployed: each Truss's servers, their slots, and what keeps them up."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..settings import ServiceSettings
from .chain_layout import ServiceLayout
from .client import ModelClient
from .layout import TrussLayout
from .server import TrussServer
from .slots import Slots

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


class TrussServers:
    """The servers of one Truss, up while `run()` runs, all the time or while they are needed.

    Each works in a directory of its own, a number in `directory`; `environment` is added to theirs.
    `on_change` is called when anything about a server has changed.
    """

    def __init__(
        self,
        layout: TrussLayout,
        model: ModelClient,
        *,
        directory: Path,
        environment: Mapping[str, str],
        settings: ServiceSettings,
        on_change: Callable[[], None],
    ) -> None:
        def changed() -> None:
            self.slots.hand_out()
            on_change()

        self.layout = layout
        self.servers = [
            TrussServer(
                layout=layout,
                client=model,
                environment=environment,
                state_directory=directory / str(number),
                on_change=changed,
            )
            for number in range(settings.replicas)
        ]
        self.slots = Slots(self.servers, per_server=settings.concurrency_target)
        self._scale_to_zero_seconds = settings.scale_to_zero_seconds

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
        limit = self._scale_to_zero_seconds
        while limit is None or self.slots.idle_seconds < limit:
            left = _LOOK_SECONDS if limit is None else limit - self.slots.idle_seconds
            await asyncio.sleep(min(max(left, 0.01), _LOOK_SECONDS))


def deploy(
    layout: ServiceLayout,
    model: ModelClient,
    *,
    directory: Path,
    environment: Mapping[str, str],
    settings: ServiceSettings,
    on_change: Callable[[Sequence[TrussServer]], None],
) -> list[TrussServers]:
    """One for each Truss, in the layout's order: the entrypoint first. Nothing is started yet.

    `on_change` is told all servers when anything about one of them has changed.
    """

    def changed() -> None:
        on_change([server for one in deployed for server in one.servers])

    deployed = [
        TrussServers(
            truss,
            model,
            directory=directory / truss.directory.name,
            environment=environment,
            settings=settings,
            on_change=changed,
        )
        for truss in layout.trusses
    ]
    return deployed
