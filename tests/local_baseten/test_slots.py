import asyncio

import pytest

from scripts.local_baseten.slots import Slots


def test_the_urgent_go_first_and_otherwise_first_come_first_served():
    async def scenario() -> list[str]:
        slots, order = Slots(1), []

        async def work(name: str, *, urgent: bool) -> None:
            async with slots.held(urgent=urgent):
                order.append(name)

        await slots.acquire(urgent=False)
        waiting = [
            asyncio.create_task(work(name, urgent=name.startswith("sync")))
            for name in ("async 1", "async 2", "sync 1", "sync 2")
        ]
        await asyncio.sleep(0)
        slots.release()
        await asyncio.gather(*waiting)
        return order

    assert asyncio.run(scenario()) == ["sync 1", "sync 2", "async 1", "async 2"]


@pytest.mark.parametrize("handed_over", [False, True])
def test_a_slot_is_not_lost_with_who_waited_for_it(handed_over):
    async def scenario() -> None:
        slots = Slots(1)
        await slots.acquire(urgent=False)
        waiting = asyncio.create_task(slots.acquire(urgent=False))
        await asyncio.sleep(0)
        if handed_over:
            slots.release()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        if not handed_over:
            slots.release()
        await asyncio.wait_for(slots.acquire(urgent=False), 1)

    asyncio.run(scenario())
