"""How the stand-in ends: after the first signal what runs may finish, a second one ends it."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Self

logger = logging.getLogger(__name__)

Part = Coroutine[Any, Any, None]


class Ending:
    """The signals so far: `asked` is set by the first, `pressed` by the second."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.pressed = asyncio.Event()

    @classmethod
    def on_signals(cls) -> Self:
        ending = cls()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ending.ask)
        return ending

    def ask(self) -> None:
        (self.pressed if self.asked.is_set() else self.asked).set()


async def run_until_ended(
    lasting: Sequence[Part],
    finishing: Sequence[Part],
    ending: Ending,
    *,
    finish: Callable[[], None],
    finish_seconds: float,
) -> None:
    """Run all parts until one of them fails, or `ending` is asked for.

    Then `finish()` is called, the parts `finishing` get `finish_seconds` to return, and all are
    cancelled. Raises what a part has raised.
    """
    to_finish = [asyncio.create_task(part) for part in finishing]
    parts = [*(asyncio.create_task(part) for part in lasting), *to_finish]
    asked = asyncio.create_task(ending.asked.wait())
    pressed = asyncio.create_task(ending.pressed.wait())
    await asyncio.wait([*parts, asked], return_when=asyncio.FIRST_COMPLETED)
    if asked.done():
        logger.info("stopping; what runs may finish within %g s", finish_seconds)
        finish()
        finished = asyncio.create_task(asyncio.wait(to_finish, timeout=finish_seconds))
        await asyncio.wait([finished, pressed], return_when=asyncio.FIRST_COMPLETED)
        finished.cancel()
        if not all(part.done() for part in to_finish):
            logger.warning("stopped; what is queued or runs is taken up at the next start")
    # Looked at before they are cancelled: those that end by that have not failed.
    failed = [part for part in parts if part.done() and part.exception() is not None]
    for task in (*parts, asked, pressed):
        task.cancel()
    await asyncio.gather(*parts, asked, pressed, return_exceptions=True)
    for part in failed:
        part.result()
