"""Progress on a terminal: bars within its width, without colour where none is wanted."""

import io
import os
import re
import subprocess
import sys

import pytest
from rich.console import Console

from outbox_client.commands.progress.bars import Bars
from outbox_client.commands.progress.totals import ProgressTotals
from outbox_client.progress import ProgressEvent

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
MESSAGE = "pages: nothing of the document is left, because its only page is not there"
PROGRAM = """
from outbox_client.progress import ProgressEvent
from outbox_client.commands.progress.display import shown_progress

with shown_progress(as_json=False) as progress:
    progress(ProgressEvent(phase="wait", done=3, total=3))
"""


def drawn(time, *, width: int, no_color: bool = False) -> str:
    """A job's last picture."""
    stream = io.StringIO()
    console = Console(
        file=stream, force_terminal=True, width=width, no_color=no_color, color_system="256"
    )
    totals = ProgressTotals(lambda: time.now)
    bars = Bars(totals, console, locked=lambda draw: draw())
    totals.take(ProgressEvent(phase="submit", done=0, total=1234))
    totals.take(ProgressEvent(phase="wait", done=0, total=1234))
    time.now += 10
    totals.take(ProgressEvent(phase="submit", done=1234, total=1234))
    failed = ProgressEvent(
        phase="wait", done=100, total=1234, item="a", state="failed", note=MESSAGE
    )
    totals.take(failed)
    bars.show(failed)
    bars.close()
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_everything_fits_the_terminal(time, width):
    lines = CONTROL.sub("", drawn(time, width=width)).replace("\r", "\n").splitlines()
    assert max(map(len, lines)) <= width
    picture = "\n".join(lines)
    assert re.search(r"sent .* 1,234/1,234 +123/s", picture)
    assert re.search(r"stored .* 99/1,234 +10/s +0:01:53", picture)
    if width >= 80:
        assert "0:00:10 elapsed, 1,134 in flight, 1 failed, 10/s, 0:01:53 left" in picture


def test_no_color_means_none(time):
    assert COLOUR.search(drawn(time, width=80))
    assert not COLOUR.search(drawn(time, width=80, no_color=True))


@pytest.mark.parametrize(("terminal", "bars"), [("xterm-256color", True), ("dumb", False)])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(terminal, bars):
    ours, theirs = os.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in {"FORCE_COLOR", "NO_COLOR"}}
    subprocess.run(
        [sys.executable, "-c", PROGRAM],
        stderr=theirs,
        env=environment | {"TERM": terminal},
        check=True,
        timeout=60,
    )
    os.close(theirs)
    said = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert ("\x1b" in said) == bars
    assert bool(re.fullmatch(r"0:00:0\d stored 3/3\r\n", said)) != bars
