"""What is said of a job's progress, as text and as JSON."""

from typing import Any

from ...progress import Event, Phase
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


def problem_line(event: Event) -> str:
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


def problem_document(event: Event) -> dict[str, Any]:
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
