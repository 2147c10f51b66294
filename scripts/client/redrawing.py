"""Text on stdout that is said again and again: in place on a terminal, else one below the other."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live
from rich.text import Text


@contextlib.contextmanager
def redrawn(*, in_place: bool) -> Iterator[Callable[[str], None]]:
    """Yields what shows a text; the last one stays."""
    console = Console(highlight=False)
    if in_place and console.is_terminal and not console.is_dumb_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda text: live.update(Text(text), refresh=True)
    else:
        yield _say


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
