import asyncio
import contextlib
import sqlite3
import threading

import pytest

from local_baseten.request_queue.database import Database
from local_baseten.request_queue.group_commit import GroupCommit


def test_what_was_asked_for_is_on_disk_when_it_is_answered(tmp_path, database, queue, add):
    async def scenario() -> list[int]:
        async with GroupCommit(database) as commits:
            await asyncio.gather(*(commits(add, name) for name in "abc"))
            # Another connection sees what is committed alone.
            with contextlib.closing(sqlite3.connect(tmp_path / "queue.sqlite3")) as other:
                return other.execute("SELECT count(*) FROM requests").fetchall()

    assert asyncio.run(scenario()) == [(3,)]


def test_what_raises_is_undone_and_its_neighbours_are_not(database, queue, add):
    def half() -> None:
        add("half")
        raise LookupError("on the way")

    async def scenario() -> list[object]:
        async with GroupCommit(database) as commits:
            pieces = [commits(add, "a"), commits(half), commits(add, "a"), commits(add, "b")]
            return await asyncio.gather(*pieces, return_exceptions=True)

    results = asyncio.run(scenario())

    assert [type(result).__name__ for result in results] == [
        "AsyncRequest",
        "LookupError",
        "IntegrityError",
        "AsyncRequest",
    ]
    assert [name for name in ("a", "half", "b") if queue.find(name)] == ["a", "b"]


def test_a_commit_that_fails_is_everybodys_error_and_the_next_one_goes_well(database, queue, add):
    class FullDisk(Database):
        is_full = True

        def commit(self) -> None:
            if self.is_full:
                raise sqlite3.OperationalError("database or disk is full")
            super().commit()

    full = FullDisk(database._connection)

    async def scenario() -> list[object]:
        async with GroupCommit(full) as commits:
            results = await asyncio.gather(
                commits(add, "a"), commits(add, "b"), return_exceptions=True
            )
            full.is_full = False
            await commits(add, "c")
            return results

    results = asyncio.run(scenario())

    assert [type(result) for result in results] == [sqlite3.OperationalError] * 2
    assert [name for name in ("a", "b", "c") if queue.find(name)] == ["c"]


def test_what_is_asked_for_while_a_commit_runs_is_one_commit(database, queue, add):
    class Counting(Database):
        commits = 0

        def commit(self) -> None:
            self.commits += 1
            super().commit()

    counting = Counting(database._connection)

    async def scenario() -> None:
        async with GroupCommit(counting) as commits:
            await asyncio.gather(*(commits(add, str(number)) for number in range(200)))

    asyncio.run(scenario())

    assert counting.commits <= 2


def test_what_a_caller_gave_up_waiting_for_is_done_all_the_same(database, queue, add):
    async def scenario() -> None:
        async with GroupCommit(database) as commits:
            given_up = asyncio.create_task(commits(add, "a"))
            await asyncio.sleep(0)
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up

    asyncio.run(scenario())

    assert queue.find("a") is not None


def test_what_need_not_wait_for_the_disk_does_not_until_something_does(database, queue, add):
    def synchronous() -> int:
        return database._connection.execute("PRAGMA synchronous").fetchone()[0]

    def added(name: str) -> int:
        add(name)
        return synchronous()

    async def scenario() -> list[int]:
        async with GroupCommit(database) as commits:
            light = await commits.lightly(synchronous)
            await commits.lightly(add, "light")
            heavy = await commits(synchronous)
            after = [await commits.lightly(added, str(number)) for number in range(150)]
            both = await asyncio.gather(commits.lightly(synchronous), commits(add, "heavy"))
            return [light, heavy, min(after), max(after), both[0]]

    normal, full = 1, 2
    # A long row of light ones is put on disk now and then, and its log kept short.
    assert asyncio.run(scenario()) == [normal, full, normal, full, normal]
    assert queue.find("light") is not None


def test_what_need_not_wait_for_the_disk_goes_before_what_does(database, queue, add):
    class SlowDisk(Database):
        is_waiting, may_go_on = threading.Event(), threading.Event()

        def commit(self) -> None:
            if threading.current_thread() is not threading.main_thread():
                self.is_waiting.set()
                assert self.may_go_on.wait(60)
            super().commit()

    slow, answered = SlowDisk(database._connection), []

    async def scenario() -> None:
        async def ask(kind, name: str) -> None:
            await kind(add, name)
            answered.append(name)

        async with GroupCommit(slow) as commits, asyncio.TaskGroup() as running:
            running.create_task(ask(commits, "on its way to the disk"))
            await asyncio.to_thread(slow.is_waiting.wait, 60)
            for number in range(3):
                running.create_task(ask(commits, f"heavy {number}"))
            running.create_task(ask(commits.lightly, "light"))
            await asyncio.sleep(0)
            slow.may_go_on.set()

    asyncio.run(scenario())

    assert answered == ["on its way to the disk", "light", "heavy 0", "heavy 1", "heavy 2"]


def test_many_light_changes_leave_no_long_log(tmp_path, database, queue, add):
    async def scenario() -> None:
        async with GroupCommit(database) as commits:
            for number in range(400):
                await commits.lightly(add, str(number), text="x" * 50_000)

    asyncio.run(scenario())

    assert (tmp_path / "queue.sqlite3-wal").stat().st_size < 16 << 20
