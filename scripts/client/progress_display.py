"""Progress for a person: a bar on a terminal, lines elsewhere. Always on stderr."""

import contextlib
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from scripts.client.progress import Event, Progress, silent
from scripts.client.rendering import printable


@contextlib.contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Progress]:
    """What suits stderr; nothing where `quiet`."""
    console = Console(stderr=True, highlight=False)
    if quiet:
        yield silent
    elif console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Bars(*columns, TimeElapsedColumn(), console=console) as bars:
            yield _Bar(bars)
    else:
        yield _line


class _Bar:
    """One bar per phase; what did not go well stays above them."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        if event.phase not in self._tasks:
            self._tasks[event.phase] = self._bars.add_task(event.phase, total=event.total)
        self._bars.update(self._tasks[event.phase], completed=event.done, total=event.total)
        if event.note:
            self._bars.console.print(escape(_text(event)))


def _line(event: Event) -> None:
    if event.item is not None or event.note:
        sys.stderr.write(f"{event.phase} {event.done}/{event.total} {_text(event)}\n")


def _text(event: Event) -> str:
    parts = (printable(event.item or ""), event.state, printable(event.note))
    return " ".join(part for part in parts if part)
