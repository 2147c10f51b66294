"""How far a job is right now."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..clock import SYSTEM_CLOCK, Clock
from ..journal.journal import Journal
from ..journal.publication import KnownSender
from ..progress import silent
from ..service.api import Deployment, QueueStatus
from ..submissions.senders import Senders
from .account import Account, final_account
from .tracker import Tracker

_LOOKS = 3
_PAUSE_SECONDS = 2.0
_RATE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class OldestRequest:
    """The open request that was sent first; `service` is the status the service gave it."""

    item: str
    seconds: float
    service: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JobStatus:
    """`rate` of results a second in the last minute; `queue` is of everyone who uses the model.

    `failures`: how many failed, by code; `retryable` of them may succeed if they are sent again.
    `senders`: who is sending more of the job, on any machine.
    """

    account: Account
    rate: float
    queue: QueueStatus | None
    oldest: OldestRequest | None
    failures: dict[str, int] = field(default_factory=dict)
    retryable: int = 0
    senders: Sequence[KnownSender] = ()

    @property
    def pending(self) -> int:
        return sum(n for state, n in self.account.counts.items() if not state.is_final)

    @property
    def seconds_left(self) -> float | None:
        """As long as the rate holds; None while there is none."""
        return self.pending / self.rate if self.rate else None


def status(journal: Journal, *, deployment: Deployment, clock: Clock = SYSTEM_CLOCK) -> JobStatus:
    """Looks at the bucket, and asks the service about what it does not show.

    Raises ServiceError, StoreError, JournalError.
    """
    return StatusReader(journal, deployment=deployment, clock=clock).read()


class StatusReader:
    """Reads one job's status again and again."""

    def __init__(
        self, journal: Journal, *, deployment: Deployment, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._journal = journal
        self._deployment = deployment
        self._clock = clock
        self._senders = Senders(journal, deployment.bucket, clock=clock)
        self._tracker = Tracker(
            journal, deployment=deployment, clock=clock, is_sending=self._senders.are_sending
        )

    def until_end(self) -> Iterator[JobStatus]:
        """One after the other, until nothing is pending, and nobody sends more."""
        while (status := self.read()).pending or status.senders:
            yield status
            self._clock.sleep(_PAUSE_SECONDS)
        yield status

    def read(self) -> JobStatus:
        """Raises ServiceError, StoreError, JournalError."""
        sending = self._senders.look()
        for _ in range(_LOOKS):
            self._tracker.look()
            # Where the service has nothing left to do, what is open has ended without a result.
            if not self._tracker.settler.open or not self._tracker.poller.is_idle:
                break
        journal, bucket = self._journal, self._deployment.bucket
        account = final_account(journal, bucket, clock=self._clock, progress=silent)
        failures = journal.failure_counts()
        return JobStatus(
            account=account,
            rate=self._rate(),
            queue=None if account.has_ended else self._deployment.api.queue_status(),
            oldest=self._oldest(),
            failures={failure.code: failure.items for failure in failures},
            retryable=sum(failure.retryable for failure in failures),
            senders=sending,
        )

    def _rate(self) -> float:
        """Since the first submit, where that is less than a minute ago."""
        now = self._clock.now()
        count, first_submit = self._journal.results_since(now - _RATE_SECONDS)
        return count / min(_RATE_SECONDS, max(1.0, now - first_submit)) if count else 0.0

    def _oldest(self) -> OldestRequest | None:
        now = self._clock.now()
        for entry in self._journal.longest_sent(before=now, now=now, limit=1):
            polled = self._tracker.poller.answers.get(entry.item)
            service = polled.status if polled else None
            return OldestRequest(item=entry.item, seconds=now - entry.submitted_at, service=service)
        return None
