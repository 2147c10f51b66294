"""Many small transactions in one: those asked for while a commit runs are committed together.

A commit waits for the disk, some milliseconds; one for each request would bound the throughput.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, Self, TypeVar

from .database import Database

_GATHERING_SECONDS = 0.002
"""Where several are about to wait for the disk, it is worth while to wait for more of them."""

_MOST_LIGHT = 100
"""One after the other; then the file is put in order, too."""

P = ParamSpec("P")
T = TypeVar("T")


_Piece = tuple[Callable[[], Any], "asyncio.Future[Any]"]
"""What is to be done, and where its result goes."""

_Done = tuple["asyncio.Future[Any]", Any, Exception | None]
"""Where a piece's result goes; the result, or what the piece raised."""


@dataclass(eq=False, slots=True)
class _Line:
    """The pieces that wait for their commit."""

    pieces: list[_Piece] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, work: Callable[[], T]) -> T:
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.pieces.append((work, answer))
        self.news.set()
        return await answer

    def take(self) -> list[_Piece]:
        pieces, self.pieces = self.pieces, []
        return pieces


class GroupCommit:
    """The only way to the database while it is in use by more than one task. Use `async with`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._durable, self._light = _Line(), _Line()
        self._one_at_a_time = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._light_commits = 0
        self._closing = False

    async def __aenter__(self) -> Self:
        self._committing = asyncio.gather(self._commit_durable(), self._commit_light())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Commits what was asked for until now."""
        self._closing = True
        self._durable.news.set()
        self._light.news.set()
        await self._committing
        self._thread.shutdown()

    async def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(…)`; returns its result when its changes are on disk.

        Where it raises, its changes are undone, and those of its neighbours are not. Where another
        does, it may be undone and run a second time: all that it changes is the database.
        """
        return await self._durable.ask(partial(work, *args, **kwargs))

    async def lightly(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """For what is as good undone, should the machine go down: it does not wait for the disk.

        A kill of this process undoes nothing. It goes before what waits for the disk: the model is
        not to wait for its next request while others come in.
        """
        return await self._light.ask(partial(work, *args, **kwargs))

    async def _commit_durable(self) -> None:
        are_many = False
        while not self._closing or self._durable.pieces:
            await self._durable.news.wait()
            self._durable.news.clear()
            if are_many:
                await asyncio.sleep(_GATHERING_SECONDS)
            are_many = len(self._durable.pieces) > 1
            await self._commit(self._durable, is_durable=True)

    async def _commit_light(self) -> None:
        while not self._closing or self._light.pieces:
            await self._light.news.wait()
            self._light.news.clear()
            await self._commit(self._light, is_durable=self._light_commits >= _MOST_LIGHT)

    async def _commit(self, line: _Line, *, is_durable: bool) -> None:
        async with self._one_at_a_time:
            pieces = line.take()
            if pieces:
                await self._commit_all(pieces, is_durable=is_durable)

    async def _commit_all(self, pieces: list[_Piece], *, is_durable: bool) -> None:
        before = self._database.changes
        try:
            self._database.begin(is_durable=is_durable)
            done = self._attempt_all(pieces, is_durable=is_durable)
            has_changed = self._database.changes != before
            if has_changed:
                self._light_commits = 0 if is_durable else self._light_commits + 1
            if is_durable and has_changed:
                # Statements take microseconds and run here; this waits for the disk.
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._thread, self._database.commit)
            else:
                self._database.commit()
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

    def _attempt_all(self, pieces: list[_Piece], *, is_durable: bool) -> list[_Done]:
        """As one, which mostly does; else, for their neighbours, each in a savepoint."""
        try:
            return [(answer, work(), None) for work, answer in pieces]
        except Exception:  # noqa: BLE001  # whose it is, the next attempt tells
            self._database.roll_back()
            self._database.begin(is_durable=is_durable)
            return [(answer, *self._attempt(work)) for work, answer in pieces]

    def _attempt(self, work: Callable[[], Any]) -> tuple[Any, Exception | None]:
        try:
            with self._database.transaction():
                return work(), None
        except Exception as error:  # noqa: BLE001  # it is the caller's
            return None, error
