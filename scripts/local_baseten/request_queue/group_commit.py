"""Many small transactions in one: those asked for while a commit runs are committed together.

A commit waits for the disk, some milliseconds; one for each request would bound the throughput.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, Self, TypeVar

from .database import Database

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


_Piece = tuple[Callable[[], Any], "asyncio.Future[Any]"]
"""What is to be done, and where its result goes."""


class GroupCommit:
    """The only way to the database while it is in use by more than one task. Use `async with`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pieces: list[_Piece] = []
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._closing = False
        self._committing = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Commits what was asked for until now."""
        self._closing = True
        self._news.set()
        await self._committing

    async def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(…)`; returns its result when its changes are on disk.

        Where it raises, its changes are undone, and those of its neighbours are not.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pieces.append((lambda: work(*args, **kwargs), answer))
        self._news.set()
        return await answer

    async def _run(self) -> None:
        # Statements take microseconds and run here; a commit waits for the disk, in its thread.
        with ThreadPoolExecutor(1, thread_name_prefix="commit") as thread:
            while not self._closing or self._pieces:
                await self._news.wait()
                self._news.clear()
                pieces, self._pieces = self._pieces, []
                if pieces:
                    await self._commit(pieces, thread)

    async def _commit(self, pieces: list[_Piece], thread: ThreadPoolExecutor) -> None:
        before = self._database.changes
        try:
            self._database.begin()
            done = [(answer, *self._attempt(work)) for work, answer in pieces]
            if self._database.changes == before:
                # Nothing to put on disk: the way to the other thread would cost more.
                self._database.commit()
            else:
                await asyncio.get_running_loop().run_in_executor(thread, self._database.commit)
        except Exception as error:  # noqa: BLE001  # it is everybody's: such as a full disk
            self._database.roll_back()
            done = [(answer, None, error) for _, answer in pieces]
        for answer, value, problem in done:
            if answer.done():  # its caller is gone
                continue
            if problem is None:
                answer.set_result(value)
            else:
                answer.set_exception(problem)

    def _attempt(self, work: Callable[[], Any]) -> tuple[Any, Exception | None]:
        try:
            with self._database.transaction():
                return work(), None
        except Exception as error:  # noqa: BLE001  # it is the caller's
            return None, error
