"""Progress on a terminal: a bar for each phase and a line that sums up, redrawn in place."""

from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ...progress import Phase, ProgressEvent
from ...text import clock_text
from .lines import DONE, left_out, notes, problem_line, rate_text, step_count
from .totals import ProgressTotals

_WIDEST = 100
_NARROW = 50
_REDRAWS_PER_SECOND = 5


class Bars:
    """Problems stay above the bars. `locked` guards the totals while it is drawn."""

    def __init__(
        self,
        totals: ProgressTotals,
        console: Console,
        *,
        locked: Callable[[Callable[[], RenderableType]], RenderableType],
    ) -> None:
        self._totals = totals
        self._console = console
        self._live = Live(
            console=console,
            get_renderable=lambda: locked(self._render),
            refresh_per_second=_REDRAWS_PER_SECOND,
        )
        self._live.start()

    def show(self, event: ProgressEvent) -> None:
        self._console.print(Text(problem_line(event), "red" if event.item is not None else ""))

    def tick(self) -> None:
        """It redraws by itself."""

    def close(self) -> None:
        for line in left_out(self._totals):
            self._console.print(Text(line, "red"))
        self._live.stop()

    def _render(self) -> RenderableType:
        if not self._totals.steps:
            return Text("")
        wide = self._console.width >= _NARROW
        table = Table.grid(padding=(0, 1), expand=True)
        table.width = min(self._console.width, _WIDEST)
        table.add_column(no_wrap=True)
        if wide:
            table.add_column(ratio=1)
        for _ in range(3):
            table.add_column(no_wrap=True, justify="right")
        for phase in self._totals.steps:
            cells = self._cells(phase)
            table.add_row(*(cells if wide else [cells[0], *cells[2:]]))
        summary = ", ".join([f"{clock_text(self._totals.seconds)} elapsed", *notes(self._totals)])
        return Group(table, Text(summary, no_wrap=True, overflow="ellipsis"))

    def _cells(self, phase: Phase) -> list[RenderableType]:
        step = self._totals.steps[phase]
        total = step.total or None
        return [
            DONE[phase],
            ProgressBar(total=total, completed=step.done, pulse=total is None),
            step_count(self._totals, phase),
            rate_text(self._totals.rate(phase)),
            clock_text(self._totals.seconds_left(phase)),
        ]
