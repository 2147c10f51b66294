"""Progress as lines: for a log or a dumb terminal, and as JSON for a program."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

from truss_outbox.contract.text import printable

from ...progress import Phase, ProgressEvent
from ...text import clock_text
from .totals import ProgressTotals, kind_of

DONE: dict[Phase, str] = {
    "read": "read",
    "plan": "planned",
    "submit": "sent",
    "wait": "stored",
    "fetch": "fetched",
    "cancel": "canceled",
}
"""What has become of an item that is through a phase."""


def summary(totals: ProgressTotals) -> str:
    """`0:01:05 sent 50/50, stored 20/50, 30 in flight, 1 failed, 0.8/s, 0:00:36 left`"""
    parts = [f"{DONE[phase]} {step_count(totals, phase)}" for phase in totals.steps]
    return f"{clock_text(totals.seconds)} {', '.join([*parts, *notes(totals)])}"


def step_count(totals: ProgressTotals, phase: Phase) -> str:
    step = totals.steps[phase]
    total = f"/{step.total:,}" if step.total else ""
    return f"{step.succeeded:,}{total}"


def notes(totals: ProgressTotals) -> list[str]:
    """In flight, failed, and how fast it goes and how long, as far as they are known."""
    parts = [f"{totals.in_flight:,} in flight"] if totals.in_flight else []
    parts += [f"{totals.failed:,} failed"] if totals.failed else []
    parts += [f"{totals.canceled:,} canceled"] if totals.canceled else []
    if slowest := totals.slowest:
        parts += [rate_text(totals.rate(slowest))] if totals.rate(slowest) else []
        left = totals.seconds_left(slowest)
        parts += [f"{clock_text(left)} left"] if left else []
    return parts


def problem_line(event: ProgressEvent) -> str:
    """`submit: a.txt: failed (REFUSED): not this one`"""
    what = kind_of(event.state, event.code) if event.item is not None else ""
    parts = (event.phase, printable(event.item or ""), what, printable(event.note))
    return ": ".join(part for part in parts if part)


def left_out(totals: ProgressTotals) -> list[str]:
    """How many problems were counted and not printed, by kind."""
    kinds = totals.problems.kinds.items()
    return [f"and {kind.more:,} more {name}" for name, kind in kinds if kind.more]


def progress_document(totals: ProgressTotals) -> dict[str, Any]:
    slowest = totals.slowest
    rate = totals.rate(slowest) if slowest else None
    left = totals.seconds_left(slowest) if slowest else None
    steps = {
        DONE[phase]: {"done": step.succeeded, "total": step.total or None}
        for phase, step in totals.steps.items()
    }
    return {
        "event": "progress",
        "seconds": round(totals.seconds, 1),
        **steps,
        "in_flight": totals.in_flight,
        "failed": totals.failed,
        "problems": totals.problems.counts,
        "rate": None if rate is None else round(rate, 2),
        "seconds_left": None if left is None else round(left, 1),
    }


def problem_document(event: ProgressEvent) -> dict[str, Any]:
    return {
        "event": "problem" if event.item is not None else "note",
        "phase": event.phase,
        "item": event.item,
        "state": event.state or None,
        "code": event.code or None,
        "message": event.note,
    }


def rate_text(rate: float | None) -> str:
    return "" if rate is None else f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"


_OFTEN_SECONDS, _SELDOM_SECONDS = 5.0, 30.0
_FIRST_LINE_SECONDS = 1.0
_FIRST_MINUTE_SECONDS = 60.0
_JSON_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LineFormat:
    """Whether lines are text or JSON, and how often, by the seconds since the start, they come."""

    summary: Callable[[ProgressTotals], str]
    problem: Callable[[ProgressEvent], str]
    left_out: Callable[[ProgressTotals], list[str]]
    pause_seconds: Callable[[float], float]


AS_TEXT = LineFormat(
    summary=summary,
    problem=problem_line,
    left_out=left_out,
    # For a log, and a terminal that cannot move its cursor.
    pause_seconds=lambda elapsed: (
        _OFTEN_SECONDS if elapsed < _FIRST_MINUTE_SECONDS else _SELDOM_SECONDS
    ),
)
AS_JSON = LineFormat(
    summary=lambda totals: json.dumps(progress_document(totals)),
    problem=lambda event: json.dumps(problem_document(event)),
    left_out=lambda _: [],
    pause_seconds=lambda _: _JSON_SECONDS,
)
"""For a program: objects whose `event` is `progress`, `problem` or `note`."""


class Lines:
    """Now and then a line that sums up, and one for each of the first problems of a kind."""

    def __init__(self, totals: ProgressTotals, stream: TextIO, line_format: LineFormat) -> None:
        self._totals = totals
        self._stream = stream
        self._format = line_format
        self._next = _FIRST_LINE_SECONDS

    def show(self, event: ProgressEvent) -> None:
        self._say(self._format.problem(event))

    def tick(self) -> None:
        if self._totals.steps and self._totals.seconds >= self._next:
            self._say(self._format.summary(self._totals))
            self._next = self._totals.seconds + self._format.pause_seconds(self._totals.seconds)

    def close(self) -> None:
        if any(step.done for step in self._totals.steps.values()):
            for line in (*self._format.left_out(self._totals), self._format.summary(self._totals)):
                self._say(line)

    def _say(self, line: str) -> None:
        # The reader of the lines may have gone: no reason to stop the work.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{line}\n")
            self._stream.flush()
