"""Many small transactions in one: those asked for while a commit runs are committed together.

A commit waits for the disk, some milliseconds; one for each request would bound the throughput.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, Self, TypeVar

from .database import Database

logger = logging.getLogger(__name__)

_GATHERING_SECONDS = 0.002
"""Where several are about to wait for the disk, it is worth while to wait for more of them."""

_MOST_LIGHT = 100
"""One after the other; then the file is put in order, too."""

P = ParamSpec("P")
T = TypeVar("T")


_Piece = tuple[Callable[[], Any], "asyncio.Future[Any]", bool]
"""What is to be done, where its result goes, and whether it is to be on disk by then."""

_Done = tuple["asyncio.Future[Any]", Any, Exception | None]
"""Where a piece's result goes; the result, or what the piece raised."""


class GroupCommit:
    """The only way to the database while it is in use by more than one task. Use `async with`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pieces: list[_Piece] = []
        self._news = asyncio.Event()
        self._light = 0
        self._is_busy = False

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

        Where it raises, its changes are undone, and those of its neighbours are not. Where another
        does, it may be undone and run a second time: all that it changes is the database.
        """
        return await self._ask(partial(work, *args, **kwargs), is_durable=True)

    async def lightly(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """For what is as good undone, should the machine go down: it does not wait for the disk.

        A kill of this process undoes nothing.
        """
        return await self._ask(partial(work, *args, **kwargs), is_durable=False)

    async def _ask(self, work: Callable[[], T], *, is_durable: bool) -> T:
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pieces.append((work, answer, is_durable))
        self._news.set()
        return await answer

    async def _run(self) -> None:
        # Statements take microseconds and run here; a commit waits for the disk, in its thread.
        with ThreadPoolExecutor(1, thread_name_prefix="commit") as thread:
            while not self._closing or self._pieces:
                await self._news.wait()
                self._news.clear()
                if self._is_busy:
                    await asyncio.sleep(_GATHERING_SECONDS)
                pieces, self._pieces = self._pieces, []
                if pieces:
                    await self._commit(pieces, thread)

    async def _commit(self, pieces: list[_Piece], thread: ThreadPoolExecutor) -> None:
        before = self._database.changes
        waiting = sum(durable for _, _, durable in pieces)
        self._is_busy = len(pieces) > 1
        is_durable = self._light >= _MOST_LIGHT or waiting > 0
        try:
            self._database.begin(is_durable=is_durable)
            done = self._attempt_all(pieces, is_durable=is_durable)
            has_changed = self._database.changes != before
            if has_changed:
                self._light = 0 if is_durable else self._light + 1
            if not is_durable or not has_changed:
                # No disk to wait for: the way to the other thread would cost more.
                self._database.commit()
            else:
                await asyncio.get_running_loop().run_in_executor(thread, self._database.commit)
        except Exception as error:  # noqa: BLE001  # it is everybody's: such as a full disk
            self._database.roll_back()
            done = [(answer, None, error) for _, answer, _ in pieces]
        for answer, value, problem in done:
            if answer.done():  # its caller is gone
                continue
            if problem is None:
                answer.set_result(value)
            else:
                answer.set_exception(problem)

    def _attempt_all(self, pieces: list[_Piece], *, is_durable: bool) -> list[_Done]:
        """As one, which mostly does; else, for their neighbours, each in a savepoint."""
        try:
            return [(answer, work(), None) for work, answer, _ in pieces]
        except Exception:  # noqa: BLE001  # whose it is, the next attempt tells
            self._database.roll_back()
            self._database.begin(is_durable=is_durable)
            return [(answer, *self._attempt(work)) for work, answer, _ in pieces]

    def _attempt(self, work: Callable[[], Any]) -> tuple[Any, Exception | None]:
        try:
            with self._database.transaction():
                return work(), None
        except Exception as error:  # noqa: BLE001  # it is the caller's
            return None, error
