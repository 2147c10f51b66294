"""How many requests each of the model's servers works on at once, and which is next."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol


class ModelServer(Protocol):
    """Where the model answers at `url` while it is ready; comes and goes."""

    @property
    def is_ready(self) -> bool: ...

    @property
    def url(self) -> str: ...


class Slots:
    """`per_server` slots on each server; each goes to the least busy server that is ready.

    Urgent requests go before all others; else first come, first served. `wanted` is set when a
    request has to wait.
    """

    def __init__(
        self,
        servers: Sequence[ModelServer],
        *,
        per_server: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wanted = asyncio.Event()
        self._busy = dict.fromkeys(servers, 0)
        self._per_server = per_server
        self._monotonic = monotonic
        self._active_at = monotonic()
        self._urgent: deque[asyncio.Future[ModelServer]] = deque()
        self._patient: deque[asyncio.Future[ModelServer]] = deque()

    @property
    def is_up(self) -> bool:
        return any(server.is_ready for server in self._busy)

    @property
    def idle_seconds(self) -> float:
        """How long a server has been ready without a request that runs or waits."""
        is_wanted = any(not turn.done() for turn in (*self._urgent, *self._patient))
        if is_wanted or any(self._busy.values()) or not self.is_up:
            return 0
        return self._monotonic() - self._active_at

    async def acquire(self, *, urgent: bool) -> ModelServer:
        turn: asyncio.Future[ModelServer] = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._patient).append(turn)
        self.hand_out()
        if not turn.done():
            self.wanted.set()
        try:
            return await turn
        except asyncio.CancelledError:
            # The slot may have been handed over just before: pass it on.
            if not turn.cancelled():
                self.release(turn.result())
            raise

    def take_free(self) -> list[ModelServer]:
        """All slots that are free now, to be released one by one."""
        taken = []
        while (server := self._least_busy()) is not None:
            self._busy[server] += 1
            taken.append(server)
        return taken

    def release(self, server: ModelServer) -> None:
        self._busy[server] -= 1
        self.hand_out()

    def hand_out(self) -> None:
        """To be called when a server has become ready."""
        self._active_at = self._monotonic()
        for waiting in (self._urgent, self._patient):
            while waiting:
                if waiting[0].done():  # gave up
                    waiting.popleft()
                elif (server := self._least_busy()) is not None:
                    self._busy[server] += 1
                    waiting.popleft().set_result(server)
                else:
                    return

    def _least_busy(self) -> ModelServer | None:
        free = [
            server
            for server, busy in self._busy.items()
            if server.is_ready and busy < self._per_server
        ]
        return min(free, key=self._busy.__getitem__, default=None)
