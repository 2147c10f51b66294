"""The model's servers, up all the time or while they are needed."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from .slots import Slots

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


class Server(Protocol):
    async def run(self) -> None:
        """Keep the server up until cancelled; then it is ended."""
        ...


class Deployment:
    """`scale_to_zero_seconds` without a request end all servers; None keeps them up."""

    def __init__(
        self, servers: Sequence[Server], slots: Slots, *, scale_to_zero_seconds: float | None
    ) -> None:
        self._servers = servers
        self._slots = slots
        self._scale_to_zero_seconds = scale_to_zero_seconds

    def wake(self) -> None:
        """Start the servers, should they not be up; whoever waits for a slot does so too."""
        self._slots.wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            async with asyncio.TaskGroup() as up:
                running = [up.create_task(server.run()) for server in self._servers]
                await self._until_idle()
                logger.info("nothing to do: scaling to zero")
                self._slots.wanted.clear()
                for server in running:
                    server.cancel()
            await self._slots.wanted.wait()
            logger.info("waking up")

    async def _until_idle(self) -> None:
        limit = self._scale_to_zero_seconds
        while limit is None or self._slots.idle_seconds < limit:
            left = _LOOK_SECONDS if limit is None else limit - self._slots.idle_seconds
            await asyncio.sleep(min(max(left, 0.01), _LOOK_SECONDS))
