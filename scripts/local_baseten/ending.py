"""How the stand-in ends: after the first signal what runs may finish, a second one ends it."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

logger = logging.getLogger(__name__)

Part = Coroutine[Any, Any, None]


async def run_until_ended(
    lasting: Sequence[Part],
    finishing: Mapping[Part, Callable[[], None]],
    *,
    finish_seconds: float,
) -> None:
    """Run all parts until one of them fails, or SIGINT or SIGTERM comes.

    Then each function of `finishing` is called, which asks its part to return; these parts have
    `finish_seconds` for it, less where a second signal comes. After that all parts are cancelled.
    Raises what a part has raised.
    """
    signals = _signals()
    to_finish = {asyncio.create_task(part): finishing[part] for part in finishing}
    parts = [*(asyncio.create_task(part) for part in lasting), *to_finish]
    await asyncio.wait([*parts, signals[0]], return_when=asyncio.FIRST_COMPLETED)
    if signals[0].done():
        await _finish(to_finish, signals[1], finish_seconds)
    # Looked at before they are cancelled: those that end by that have not failed.
    failed = [part for part in parts if part.done() and part.exception() is not None]
    for task in (*parts, *signals):
        task.cancel()
    await asyncio.gather(*parts, *signals, return_exceptions=True)
    for part in failed:
        part.result()


def _signals() -> list[asyncio.Task[Any]]:
    """The first is done at the first signal, the second at the second."""
    events = [asyncio.Event(), asyncio.Event()]

    def count() -> None:
        events[events[0].is_set()].set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, count)
    return [asyncio.create_task(event.wait()) for event in events]


async def _finish(
    parts: Mapping[asyncio.Task[None], Callable[[], None]],
    second_signal: asyncio.Task[Any],
    finish_seconds: float,
) -> None:
    logger.info("stopping; what runs may finish within %g s", finish_seconds)
    for finish in parts.values():
        finish()
    finished = asyncio.create_task(asyncio.wait(parts, timeout=finish_seconds))
    await asyncio.wait([finished, second_signal], return_when=asyncio.FIRST_COMPLETED)
    finished.cancel()
    if not all(part.done() for part in parts):
        logger.warning("stopped; what is queued or runs is taken up at the next start")
