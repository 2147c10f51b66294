"""How far a job has come, added up from its events: counts, rates, time left, problems by kind."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from truss_outbox.contract.text import printable

from ...journal.states import State
from ...progress import Phase, ProgressEvent

SHOWN = 5
"""How many of a kind are printed one by one."""

T = TypeVar("T")


@dataclass(kw_only=True, slots=True)
class ProblemKind(Generic[T]):
    """How many problems of this kind there were, and the first few of them."""

    count: int = 0
    shown: list[T] = field(default_factory=list)

    @property
    def more(self) -> int:
        return self.count - len(self.shown)


class Problems(Generic[T]):
    """Takes any number of problems and keeps a few of each kind."""

    def __init__(self, *, shown: int = SHOWN) -> None:
        self.kinds: dict[str, ProblemKind[T]] = {}
        self._shown = shown

    def add(self, kind: str, problem: T) -> bool:
        """Whether this is one of the few that are kept."""
        group = self.kinds.setdefault(kind, ProblemKind())
        group.count += 1
        if len(group.shown) < self._shown:
            group.shown.append(problem)
            return True
        return False

    @property
    def counts(self) -> dict[str, int]:
        return {name: kind.count for name, kind in self.kinds.items()}

    @property
    def count(self) -> int:
        return sum(kind.count for kind in self.kinds.values())


def kind_of(state: str, code: str | None) -> str:
    return f"{state} ({printable(code)})" if code else state


def grouped_lines(
    problems: Iterable[tuple[str, str]], *, rest: str = "; --json lists all"
) -> Iterator[str]:
    """From pairs of kind and line: each kind's first lines together, and how many more it has.

    `rest` is where these are.
    """
    groups = Problems[str]()
    for kind, line in problems:
        groups.add(kind, line)
    for name, group in groups.kinds.items():
        yield from group.shown
        if group.more:
            yield f"and {group.more:,} more {name}{rest}"


_WINDOW_SECONDS = 30.0
_SAMPLE_SECONDS = 0.5
_PRINTED = 3
_ORDER: tuple[Phase, ...] = ("read", "plan", "submit", "wait", "fetch", "cancel")
_FAILURES = frozenset(state.value for state in State if state.is_failure)


def _is_failure(event: ProgressEvent) -> bool:
    return event.item is not None and event.state in _FAILURES


def _is_canceled(event: ProgressEvent) -> bool:
    """Found out, not done: canceling is a phase of its own."""
    return event.item is not None and event.state == State.CANCELED and event.phase != "cancel"


@dataclass(kw_only=True, slots=True)
class PhaseProgress:
    """How far one phase has come. `known`: the total that its events name; `total` may be more."""

    done: int = 0
    known: int = 0
    total: int = 0
    failed: int = 0
    canceled: int = 0
    began_at: float
    began_with: int = 0
    ended_at: float | None = None
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def succeeded(self) -> int:
        return max(0, self.done - self.failed - self.canceled)

    def move(self, event: ProgressEvent, now: float) -> None:
        self.done, self.known = event.done, event.total
        self.expect(event.total, now)
        if not self.samples or now - self.samples[-1][0] >= _SAMPLE_SECONDS:
            self.samples.append((now, self.done))
        while now - self.samples[0][0] > _WINDOW_SECONDS and len(self.samples) > 1:
            self.samples.popleft()

    def expect(self, total: int, now: float) -> None:
        self.total = total
        if not 0 < total <= self.done:
            self.ended_at = None
        elif self.ended_at is None:
            self.ended_at = now

    def rate(self, now: float) -> float | None:
        """Items a second: lately while it goes on, on the whole once it is over."""
        if self.ended_at is not None:
            since, before, until = self.began_at, self.began_with, self.ended_at
        else:
            (since, before), until = self.samples[0], now
        elapsed, moved = until - since, self.done - before
        return moved / elapsed if moved and elapsed >= _SAMPLE_SECONDS else None

    def seconds_left(self, now: float) -> float | None:
        """None where nothing is left, and while the rate is not known."""
        rate = None if self.ended_at is not None else self.rate(now)
        return (self.total - self.done) / rate if rate and self.total else None


class ProgressTotals:
    """Takes events, and has the totals at any time. Not safe for several threads."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.steps: dict[Phase, PhaseProgress] = {}
        self.problems = Problems[ProgressEvent](shown=_PRINTED)
        self._now = now
        self._began_at = now()
        self._in_flight: int | None = None

    def take(self, event: ProgressEvent) -> bool:
        """Whether the event is worth a line of its own."""
        now = self._now()
        step = self.steps.get(event.phase)
        if step is None:
            step = PhaseProgress(began_at=now, began_with=event.done)
            steps = self.steps | {event.phase: step}
            self.steps = {phase: steps[phase] for phase in _ORDER if phase in steps}
        step.move(event, now)
        if event.phase == "wait":
            self._in_flight = event.in_flight
        failed, canceled = _is_failure(event), _is_canceled(event)
        step.failed = step.failed + failed if event.failed is None else event.failed
        step.canceled = step.canceled + canceled if event.canceled is None else event.canceled
        self._expect_fetches(now)
        if failed or canceled:
            return self.problems.add(kind_of(event.state, event.code), event)
        return bool(event.note)

    def _expect_fetches(self, now: float) -> None:
        """While results are fetched as they come, as many come as neither fail nor are canceled."""
        waiting, fetching = self.steps.get("wait"), self.steps.get("fetch")
        if waiting and fetching:
            coming = waiting.total - waiting.failed - waiting.canceled
            fetching.expect(max(fetching.known, coming), now)

    @property
    def seconds(self) -> float:
        return self._now() - self._began_at

    @property
    def failed(self) -> int:
        """What was refused when it was sent is failed for the phase `wait` too: counted once."""
        failed = {phase: step.failed for phase, step in self.steps.items()}
        return max(failed.pop("submit", 0), failed.pop("wait", 0)) + sum(failed.values())

    @property
    def canceled(self) -> int:
        return sum(step.canceled for step in self.steps.values())

    @property
    def in_flight(self) -> int | None:
        """Requests at the service that have not ended; None before the first look."""
        waiting, sending = self.steps.get("wait"), self.steps.get("submit")
        if self._in_flight is not None:
            return self._in_flight
        if waiting is None:
            return None
        sent = waiting.total if sending is None else sending.done - sending.failed
        return max(0, min(sent, waiting.total) - waiting.done)

    def rate(self, phase: Phase) -> float | None:
        return self.steps[phase].rate(self._now())

    def seconds_left(self, phase: Phase) -> float | None:
        return self.steps[phase].seconds_left(self._now())

    @property
    def slowest(self) -> Phase | None:
        """The phase under way that has the longest to go: its rate and time are the job's."""
        open_ones = [phase for phase, step in self.steps.items() if step.ended_at is None]
        return max(open_ones, key=lambda phase: self.seconds_left(phase) or 0, default=None)
