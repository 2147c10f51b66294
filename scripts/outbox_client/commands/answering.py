"""How every command answers: its text or its JSON on stdout, its verdict as exit code."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from truss_outbox.contract.keys import unescape

from ..settings import state_directory
from . import exit_codes
from .rendering import answers as rendering

_WHOLE_NAME = 100  # a journal's file has no more of its job's name


def known_jobs(incomplete: str) -> list[str]:
    """The jobs submitted from this machine that begin so; told by the names of their journals."""
    journals = (state_directory(os.environ) / "jobs").glob("*.sqlite3")
    names = {path.stem.rpartition("-")[0] for path in journals}
    jobs = (unescape(name) for name in names if len(name) < _WHOLE_NAME)
    return sorted(job for job in jobs if job.startswith(incomplete))


JobName = Annotated[
    str, typer.Argument(metavar="JOB", help="The job's name.", autocompletion=known_jobs)
]
Items = Annotated[
    list[str] | None, typer.Argument(metavar="[ITEM]...", help="All of them by default.")
]
Timeout = Annotated[float | None, typer.Option(min=0, help="Seconds to wait for results.")]
Target = Annotated[Path, typer.Option("--to", help="The directory the results go into.")]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="One JSON document on stdout; progress, if any, as JSON lines on stderr."
    ),
]


def answer(as_json: bool, document: dict[str, Any], lines: Sequence[str]) -> None:
    typer.echo(rendering.as_json(document) if as_json else "\n".join(lines))


def finish(*, failed: bool) -> NoReturn:
    raise typer.Exit(exit_codes.SOME_FAILED if failed else exit_codes.OK)


def timestamp(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


@contextmanager
def stopped_by_interrupt() -> Iterator[threading.Event]:
    """The event is set by the first SIGINT; the second is Python's KeyboardInterrupt again."""
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def stop_first(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        stop.set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, stop_first)
    try:
        yield stop
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)
