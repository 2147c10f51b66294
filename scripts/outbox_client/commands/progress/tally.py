"""Where a job stands, summed up from its events: counts, rates, time left, problems by kind."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ...progress import Phase, ProgressEvent
from ..rendering.problems import Problems, kind_of

_WINDOW_SECONDS = 30.0
_SAMPLE_SECONDS = 0.5
_TOLD = 3
_ORDER: tuple[Phase, ...] = ("submit", "wait", "fetch", "cancel", "read")
_PROBLEMS = frozenset({"failed", "expired", "canceled", "unknown"})


def _is_problem(event: ProgressEvent) -> bool:
    is_wish = event.phase == "cancel" and event.state == "canceled"
    return event.item is not None and event.state in _PROBLEMS and not is_wish


@dataclass(kw_only=True, slots=True)
class Step:
    """One phase as far as it has come; `known` of its `total` have been heard of."""

    done: int = 0
    known: int = 0
    total: int = 0
    failed: int = 0
    began_at: float
    began_with: int = 0
    ended_at: float | None = None
    samples: deque[tuple[float, int]] = field(default_factory=deque)

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
        """None where nothing is left, or nobody knows how long it takes."""
        rate = None if self.ended_at is not None else self.rate(now)
        return (self.total - self.done) / rate if rate and self.total else None


class Tally:
    """Takes events and can be asked at any time; not safe for several threads."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.steps: dict[Phase, Step] = {}
        self.problems = Problems[ProgressEvent](shown=_TOLD)
        self._now = now
        self._began_at = now()
        self._in_flight: int | None = None

    def take(self, event: ProgressEvent) -> bool:
        """Whether the event is worth telling by itself."""
        now = self._now()
        step = self.steps.get(event.phase)
        if step is None:
            step = Step(began_at=now, began_with=event.done)
            steps = self.steps | {event.phase: step}
            self.steps = {phase: steps[phase] for phase in _ORDER if phase in steps}
        step.move(event, now)
        if event.phase == "wait":
            self._in_flight = event.in_flight
        is_problem = _is_problem(event)
        step.failed = step.failed + is_problem if event.failed is None else event.failed
        self._expect_fetches(now)
        if is_problem:
            return self.problems.add(kind_of(event.state, event.code), event)
        return bool(event.note)

    def _expect_fetches(self, now: float) -> None:
        """While results are fetched as they come, as many will come as have not failed."""
        waiting, fetching = self.steps.get("wait"), self.steps.get("fetch")
        if waiting and fetching:
            fetching.expect(max(fetching.known, waiting.total - waiting.failed), now)

    @property
    def seconds(self) -> float:
        return self._now() - self._began_at

    @property
    def failed(self) -> int:
        """What was refused when it was sent is counted again by those who wait for it."""
        failed = {phase: step.failed for phase, step in self.steps.items()}
        return max(failed.pop("submit", 0), failed.pop("wait", 0)) + sum(failed.values())

    @property
    def in_flight(self) -> int | None:
        """What the service has and has not ended; None before anybody looks."""
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
