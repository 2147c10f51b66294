"""Progress on stderr: bars, lines, or JSON lines."""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO, TypeVar

from truss_outbox.contract.errors import StoreUnavailableError
from truss_outbox.contract.text import printable
from truss_outbox.retrying import LONGEST_WAIT_SECONDS

from ...errors import ServiceUnavailableError
from ...progress import Progress, ProgressEvent
from .lines import AS_JSON, AS_TEXT, Lines
from .totals import ProgressTotals

_CANNOT = {"dumb", "unknown"}


def can_redraw(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM", "").lower() not in _CANNOT


_TICK_SECONDS = 0.25

T = TypeVar("T")


@contextlib.contextmanager
def shown_progress(*, as_json: bool) -> Iterator[Progress]:
    """JSON lines where asked for; else bars on a terminal that can move its cursor, else lines."""
    totals, lock = ProgressTotals(time.monotonic), threading.RLock()

    def locked(draw: Callable[[], T]) -> T:
        with lock:
            return draw()

    if can_redraw(sys.stderr) and not as_json:
        # rich: 0.2 seconds that only a terminal need pay
        from rich.console import Console  # noqa: PLC0415

        from .bars import Bars  # noqa: PLC0415

        console = Console(stderr=True, highlight=False, soft_wrap=False)
        view: Bars | Lines = Bars(totals, console, locked=locked)
    else:
        view = Lines(totals, sys.stderr, AS_JSON if as_json else AS_TEXT)

    def progress(event: ProgressEvent) -> None:
        # Told outside the lock: the terminal's own lock is held while the totals is drawn.
        if locked(lambda: totals.take(event)):
            view.show(event)

    with contextlib.ExitStack() as stack:
        stack.callback(view.close)
        stack.enter_context(_ticking(lambda: locked(view.tick)))
        yield progress


def told_note(note: str, *, as_json: bool) -> None:
    """A line, or a JSON object, before there is any progress."""
    event = ProgressEvent(phase="read", done=0, total=0, note=note)
    Lines(ProgressTotals(time.monotonic), sys.stderr, AS_JSON if as_json else AS_TEXT).show(event)


def told_plan(*, as_json: bool) -> Progress:
    """A line now and then while a large job is planned, before there is a display."""
    totals = ProgressTotals(time.monotonic)
    lines = Lines(totals, sys.stderr, AS_JSON if as_json else AS_TEXT)

    def progress(event: ProgressEvent) -> None:
        totals.take(event)
        lines.tick()

    return progress


@contextlib.contextmanager
def _ticking(tick: Callable[[], None]) -> Iterator[None]:
    stopped = threading.Event()

    def run() -> None:
        while not stopped.wait(_TICK_SECONDS):
            tick()

    thread = threading.Thread(target=run, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


_WORTH_TELLING_SECONDS = 3.0


def told_once(*, as_json: bool) -> Callable[[float], None]:
    """For a bucket's `on_wait`: the first wait of more than a few seconds gets a line."""
    return _told_once("the bucket", StoreUnavailableError.code, as_json=as_json)


def service_told_once(*, as_json: bool) -> Callable[[float], None]:
    """The same for the service's."""
    return _told_once("the service", ServiceUnavailableError.code, as_json=as_json)


def _told_once(who: str, code: str, *, as_json: bool) -> Callable[[float], None]:
    first = threading.Lock()  # taken by who tells it, and never given back
    message = (
        f"{who} does not answer, or asks to wait: going on for up to {LONGEST_WAIT_SECONDS:.0f} s"
    )

    def on_wait(seconds: float) -> None:
        if seconds > _WORTH_TELLING_SECONDS and first.acquire(blocking=False):
            note = {"event": "note", "code": code, "message": message}
            line = json.dumps(note) if as_json else message
            with contextlib.suppress(OSError, ValueError):  # nobody may be left to read it
                sys.stderr.write(f"{line}\n")
                sys.stderr.flush()

    return on_wait


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
        yield lambda text: live.update(Text(printable(text, keep="\n")), refresh=True)


def _say(text: str) -> None:
    sys.stdout.write(printable(text, keep="\n") + "\n")
    sys.stdout.flush()
