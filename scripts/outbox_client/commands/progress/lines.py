"""Progress as lines: for a log or a dumb terminal, and as JSON for a program."""

import contextlib
import json
from typing import Any, Protocol, TextIO

from ...progress import Phase, ProgressEvent
from ...text import clock_text, printable
from ..rendering.problems import kind_of
from .tally import Tally

DONE: dict[Phase, str] = {
    "submit": "sent",
    "wait": "stored",
    "fetch": "fetched",
    "cancel": "canceled",
    "read": "read",
}
"""What has become of an item that is through a phase."""


def summary(tally: Tally) -> str:
    """`0:01:05 sent 50/50, stored 20/50, 30 in flight, 1 failed, 0.8/s, 0:00:36 left`"""
    parts = [f"{DONE[phase]} {step_count(tally, phase)}" for phase in tally.steps]
    return f"{clock_text(tally.seconds)} {', '.join([*parts, *notes(tally)])}"


def step_count(tally: Tally, phase: Phase) -> str:
    step = tally.steps[phase]
    total = f"/{step.total:,}" if step.total else ""
    return f"{max(0, step.done - step.failed):,}{total}"


def notes(tally: Tally) -> list[str]:
    """In flight, failed, and how fast it goes and how long, as far as they are known."""
    said = [f"{tally.in_flight:,} in flight"] if tally.in_flight else []
    said += [f"{tally.failed:,} failed"] if tally.failed else []
    if slowest := tally.slowest:
        said += [rate_text(tally.rate(slowest))] if tally.rate(slowest) else []
        left = tally.seconds_left(slowest)
        said += [f"{clock_text(left)} left"] if left else []
    return said


def problem_line(event: ProgressEvent) -> str:
    """`submit: a.txt: failed (REFUSED): not this one`"""
    what = kind_of(event.state, event.code) if event.item is not None else ""
    parts = (event.phase, printable(event.item or ""), what, printable(event.note))
    return ": ".join(part for part in parts if part)


def left_out(tally: Tally) -> list[str]:
    """What was counted without being told, by kind."""
    kinds = tally.problems.kinds.items()
    return [f"and {kind.more:,} more {name}" for name, kind in kinds if kind.more]


def progress_document(tally: Tally) -> dict[str, Any]:
    slowest = tally.slowest
    rate = tally.rate(slowest) if slowest else None
    left = tally.seconds_left(slowest) if slowest else None
    steps = {
        DONE[phase]: {"done": max(0, step.done - step.failed), "total": step.total or None}
        for phase, step in tally.steps.items()
    }
    return {
        "event": "progress",
        "seconds": round(tally.seconds, 1),
        **steps,
        "in_flight": tally.in_flight,
        "failed": tally.failed,
        "problems": tally.problems.counts,
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


class Form(Protocol):
    """How lines say it."""

    def summary(self, tally: Tally) -> str: ...
    def told(self, event: ProgressEvent) -> str: ...
    def last(self, tally: Tally) -> list[str]: ...
    def pause_seconds(self, elapsed: float, /) -> float: ...


class Lines:
    """Now and then a line that sums up, and one for each of the first problems of a kind."""

    def __init__(self, tally: Tally, stream: TextIO, form: Form) -> None:
        self._tally = tally
        self._stream = stream
        self._form = form
        self._next = _FIRST_LINE_SECONDS

    def tell(self, event: ProgressEvent) -> None:
        self._say(self._form.told(event))

    def tick(self) -> None:
        if self._tally.steps and self._tally.seconds >= self._next:
            self._say(self._form.summary(self._tally))
            self._next = self._tally.seconds + self._form.pause_seconds(self._tally.seconds)

    def close(self) -> None:
        if any(step.done for step in self._tally.steps.values()):
            for line in self._form.last(self._tally):
                self._say(line)

    def _say(self, line: str) -> None:
        # Whoever read it may have gone: no reason to stop the work.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{line}\n")
            self._stream.flush()


class AsText:
    """For a log, and a terminal that cannot move its cursor."""

    def summary(self, tally: Tally) -> str:
        return summary(tally)

    def told(self, event: ProgressEvent) -> str:
        return problem_line(event)

    def last(self, tally: Tally) -> list[str]:
        return [*left_out(tally), summary(tally)]

    def pause_seconds(self, elapsed: float, /) -> float:
        return _OFTEN_SECONDS if elapsed < _FIRST_MINUTE_SECONDS else _SELDOM_SECONDS


class AsJson:
    """For a program: objects whose `event` is `progress`, `problem` or `note`."""

    def summary(self, tally: Tally) -> str:
        return json.dumps(progress_document(tally))

    def told(self, event: ProgressEvent) -> str:
        return json.dumps(problem_document(event))

    def last(self, tally: Tally) -> list[str]:
        return [self.summary(tally)]

    def pause_seconds(self, _elapsed: float, /) -> float:
        return _JSON_SECONDS
