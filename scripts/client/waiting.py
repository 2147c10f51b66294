"""Waiting until the end of every item of a job is known."""

from scripts.client.clock import SYSTEM_CLOCK, Clock
from scripts.client.deployment import Deployment
from scripts.client.entries import Entry
from scripts.client.errors import WaitTimeoutError
from scripts.client.journal import Journal
from scripts.client.progress import Event, Progress, silent
from scripts.client.tracking import Tracker

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 2.0


def wait(
    journal: Journal,
    *,
    deployment: Deployment,
    timeout_seconds: float | None = None,
    progress: Progress = silent,
    clock: Clock = SYSTEM_CLOCK,
) -> list[Entry]:
    """Every item of the job with its final state; failures are states, not errors.

    Raises WaitTimeoutError after `timeout_seconds`, ServiceError, StoreError and JournalError;
    what was found out until then is in the journal.
    """
    deadline = None if timeout_seconds is None else clock.now() + timeout_seconds
    tracker = Tracker(journal, deployment=deployment, progress=progress, clock=clock)
    progress(Event(phase="wait", done=0, total=tracker.total))
    pause_seconds = _FIRST_PAUSE_SECONDS
    while True:
        before = len(tracker.open)
        tracker.look()
        if not tracker.open:
            return list(journal.entries())
        remaining = None if deadline is None else deadline - clock.now()
        if remaining is not None and remaining <= 0:
            raise WaitTimeoutError(journal.job, pending=len(tracker.open))
        settled = len(tracker.open) < before
        pause_seconds = _FIRST_PAUSE_SECONDS if settled else pause_seconds * 1.3
        pause_seconds = min(pause_seconds, _LONGEST_PAUSE_SECONDS)
        clock.sleep(pause_seconds if remaining is None else min(pause_seconds, remaining))
