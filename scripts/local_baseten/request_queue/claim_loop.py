"""Takes what is due from a table of the queue's file, and works on all of it at once."""

import abc
import asyncio
import contextlib
from dataclasses import dataclass, field

_IDLE_SECONDS = 1.0


@dataclass(kw_only=True, eq=False)
class ClaimLoop(abc.ABC):
    """Works while `run()` runs: each piece in a task of its own, started as it comes due."""

    _news: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _claiming: asyncio.Task[None] | None = field(init=False, default=None)

    @abc.abstractmethod
    async def claim(self, running: asyncio.TaskGroup) -> bool:
        """Start a task in `running` for what is due, as far as there is room for it.

        Waits for room, not for work: returns False where nothing is due.
        """

    @abc.abstractmethod
    async def seconds_until_due(self) -> float | None:
        """Zero where something is due; None where nothing is known to come."""

    def wake(self) -> None:
        """Something was added, or is due earlier than it was."""
        self._news.set()

    async def run(self) -> None:
        """Cancelled, it leaves what runs claimed: it is taken up again at the next start."""
        async with asyncio.TaskGroup() as running:
            self._claiming = running.create_task(self._claim_all(running))

    def finish(self) -> None:
        """Take on nothing more: `run()` returns when what runs has ended."""
        if self._claiming is not None:
            self._claiming.cancel()

    async def _claim_all(self, running: asyncio.TaskGroup) -> None:
        while True:
            self._news.clear()
            if not await self.claim(running):
                await self._until_due()

    async def _until_due(self) -> None:
        """Or until there is news: then there may be something to claim."""
        while not self._news.is_set() and (seconds := await self.seconds_until_due()) != 0:
            # The queue's clock may be another than asyncio's: look again now and then.
            wait = _IDLE_SECONDS if seconds is None else min(seconds, _IDLE_SECONDS)
            with contextlib.suppress(TimeoutError):
                # Not wait_for: Python 3.11's can swallow a cancellation.
                async with asyncio.timeout(wait):
                    await self._news.wait()
