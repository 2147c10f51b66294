"""Text on stdout that is said again and again: in place on a terminal, else one below the other."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from scripts.client.terminals import can_redraw


@contextlib.contextmanager
def redrawn(*, in_place: bool) -> Iterator[Callable[[str], None]]:
    """Yields what shows a text; the last one stays."""
    if not in_place or not can_redraw(sys.stdout):
        yield _say
        return
    from rich.console import Console  # noqa: PLC0415  # rich: 0.2 seconds
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        yield lambda text: live.update(Text(text), refresh=True)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
