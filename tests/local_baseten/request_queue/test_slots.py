import asyncio
from dataclasses import dataclass

import pytest

from local_baseten.request_queue.slots import Slots


@dataclass(eq=False)
class Server:
    name: str = ""
    is_ready: bool = True
    url: str = ""


def test_the_urgent_go_first_and_otherwise_first_come_first_served():
    async def scenario() -> list[str]:
        slots, order = Slots([Server()], per_server=1), []

        async def work(name: str, *, urgent: bool) -> None:
            server = await slots.acquire(urgent=urgent)
            order.append(name)
            slots.release(server)

        held = await slots.acquire(urgent=False)
        waiting = [
            asyncio.create_task(work(name, urgent=name.startswith("sync")))
            for name in ("async 1", "async 2", "sync 1", "sync 2")
        ]
        await asyncio.sleep(0)
        slots.release(held)
        await asyncio.gather(*waiting)
        return order

    assert asyncio.run(scenario()) == ["sync 1", "sync 2", "async 1", "async 2"]


@pytest.mark.parametrize("handed_over", [False, True])
def test_a_slot_is_not_lost_with_who_waited_for_it(handed_over):
    async def scenario() -> None:
        slots = Slots([Server()], per_server=1)
        held = await slots.acquire(urgent=False)
        waiting = asyncio.create_task(slots.acquire(urgent=False))
        await asyncio.sleep(0)
        if handed_over:
            slots.release(held)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        if not handed_over:
            slots.release(held)
        await asyncio.wait_for(slots.acquire(urgent=False), 1)

    asyncio.run(scenario())


def test_the_least_busy_server_is_next_as_long_as_it_is_ready():
    async def scenario() -> list[str]:
        servers = [Server("a"), Server("b"), Server("c", is_ready=False)]
        slots = Slots(servers, per_server=2)
        taken = [await slots.acquire(urgent=False) for _ in range(3)]
        slots.release(servers[0])
        slots.release(servers[0])
        taken += [await slots.acquire(urgent=False) for _ in range(2)]
        servers[2].is_ready = True
        taken.append(await slots.acquire(urgent=False))
        return [server.name for server in taken]

    assert asyncio.run(scenario()) == ["a", "b", "a", "a", "a", "c"]


def test_who_waits_is_served_when_a_server_has_become_ready():
    async def scenario() -> tuple[bool, str]:
        server = Server("a", is_ready=False)
        slots = Slots([server], per_server=1)
        waiting = asyncio.create_task(slots.acquire(urgent=True))
        await asyncio.wait_for(slots.wanted.wait(), 1)
        before = waiting.done()
        server.is_ready = True
        slots.hand_out()
        return before, (await waiting).name

    assert asyncio.run(scenario()) == (False, "a")


def test_it_is_idle_since_nobody_held_or_wanted_a_slot_of_a_ready_server():
    async def scenario() -> list[float]:
        now, server = [0.0], Server(is_ready=False)
        slots = Slots([server], per_server=1, monotonic=lambda: now[0])
        seen = []
        for step in ("starts", "ready", "held", "held", "free", "free"):
            now[0] += 10
            match step:
                case "ready":
                    server.is_ready = True
                    slots.hand_out()
                case "held" if len(seen) == 2:
                    await slots.acquire(urgent=False)
                case "free" if len(seen) == 4:
                    slots.release(server)
            seen.append(slots.idle_seconds)
        return seen

    assert asyncio.run(scenario()) == [0, 0, 0, 0, 0, 10]
