"""Waiting until the end of every item of a job is known."""

import math

from truss_outbox.contract.errors import OutboxError, StoreUnavailableError

from ..clock import SYSTEM_CLOCK, Clock
from ..deployment import Deployment
from ..errors import UnauthorizedError, WaitTimeoutError
from ..journal.journal import Journal
from ..progress import Progress, silent
from .account import Account, write_account
from .tracker import Tracker

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 2.0
_BUCKET_AWAY_SECONDS = 300.0
_NOBODY_SENDS_SECONDS = 60.0


class Watch:
    """One job's tracker, until the end of every item is known."""

    def __init__(
        self, tracker: Tracker, *, job: str, clock: Clock, timeout_seconds: float | None = None
    ) -> None:
        now = clock.elapsed()
        self._tracker = tracker
        self._job = job
        self._clock = clock
        self._deadline = math.inf if timeout_seconds is None else now + timeout_seconds
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._look_seconds = 0.0
        self._answered_at = now
        self._planned = 0
        self._planned_since = now

    def look(self) -> bool:
        """Whether nothing is left to wait for. Raises StoreError, ServiceError, JournalError.

        A bucket that is away for a few minutes is waited for.
        """
        settler, began = self._tracker.settler, self._clock.elapsed()
        # Before the look: what is sent in the middle of it is not seen by it.
        is_sending, done = self._tracker.is_sending(), settler.done
        try:
            self._tracker.look()
            self._answered_at = self._clock.elapsed()
        except StoreUnavailableError:
            if began - self._answered_at >= _BUCKET_AWAY_SECONDS:
                raise
            settler.report_trouble("the bucket does not answer; still trying")
        self._look_seconds = self._clock.elapsed() - began
        if settler.done > done:
            self._pause_seconds = _FIRST_PAUSE_SECONDS
        return not is_sending and not settler.open and self._nothing_is_planned()

    def pause(self) -> None:
        """Longer and longer while nothing happens. Raises WaitTimeoutError."""
        settler, remaining = self._tracker.settler, self._deadline - self._clock.elapsed()
        if remaining <= 0:
            raise WaitTimeoutError(self._job, pending=settler.open + settler.planned)
        # A long listing is not begun again at once.
        self._clock.sleep(min(max(self._pause_seconds, self._look_seconds), remaining))
        self._pause_seconds = min(self._pause_seconds * 1.3, _LONGEST_PAUSE_SECONDS)

    def _nothing_is_planned(self) -> bool:
        """Or what is stays so, and nobody sends it."""
        planned, now = self._tracker.settler.planned, self._clock.elapsed()
        if planned != self._planned:
            self._planned, self._planned_since = planned, now
        return not planned or now - self._planned_since >= _NOBODY_SENDS_SECONDS


def wait(
    journal: Journal,
    *,
    deployment: Deployment,
    timeout_seconds: float | None = None,
    progress: Progress = silent,
    clock: Clock = SYSTEM_CLOCK,
) -> Account:
    """Every item of the job with its final state; failures are states, not errors.

    What is planned is waited for as long as somebody sends it. The account of a job that has ended
    is stored in the bucket. Raises WaitTimeoutError after `timeout_seconds`, ServiceError,
    StoreError and JournalError; what was found out until then is in the journal.
    """
    tracker = Tracker(journal, deployment=deployment, progress=progress, clock=clock)
    tracker.requests.reopen_unknown()
    watch = Watch(tracker, job=journal.job, clock=clock, timeout_seconds=timeout_seconds)
    try:
        while not watch.look():
            watch.pause()
    except WaitTimeoutError:
        raise
    except OutboxError as error:
        refused = isinstance(error, UnauthorizedError)
        remedy = "set BASETEN_API_KEY to a valid key; then " if refused else ""
        error.add_note(f"{remedy}`outbox wait {journal.job}` goes on from here")
        raise
    account = Account.of(journal)
    write_account(account, deployment.bucket, clock=clock, progress=progress)
    return account
