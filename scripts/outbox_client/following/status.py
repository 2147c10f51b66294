"""How a job stands right now."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..clock import SYSTEM_CLOCK, Clock
from ..deployment import Deployment
from ..journal import queries
from ..journal.journal import Journal
from ..progress import silent
from ..service.api import QueueStatus
from .account import Account, write_account
from .tracker import Tracker

_LOOKS = 3
_PAUSE_SECONDS = 2.0
_RATE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """The item whose request is the oldest without an end; `service` is the service's word."""

    item: str
    seconds: float
    service: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JobStatus:
    """`rate` of results a second in the last minute; `queue` is of everyone who uses the model.

    `failures`: how many did not succeed, by code; `retryable` of them may if they are sent again.
    """

    account: Account
    rate: float
    queue: QueueStatus | None
    oldest: Waiting | None
    failures: dict[str, int] = field(default_factory=dict)
    retryable: int = 0

    @property
    def pending(self) -> int:
        return sum(n for state, n in self.account.counts.items() if not state.is_final)

    @property
    def seconds_left(self) -> float | None:
        """As long as the rate holds; None while there is none."""
        return self.pending / self.rate if self.rate else None


def status(journal: Journal, *, deployment: Deployment, clock: Clock = SYSTEM_CLOCK) -> JobStatus:
    """A look at the bucket, and at the service for what it does not explain.

    Raises ServiceError, StoreError, JournalError.
    """
    return Standing(journal, deployment=deployment, clock=clock).look()


class Standing:
    """A job's status, again and again."""

    def __init__(
        self, journal: Journal, *, deployment: Deployment, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._journal = journal
        self._deployment = deployment
        self._clock = clock
        self._tracker = Tracker(journal, deployment=deployment, clock=clock)

    def looks(self) -> Iterator[JobStatus]:
        """One after the other, until nothing is pending."""
        while (stands := self.look()).pending:
            yield stands
            self._clock.sleep(_PAUSE_SECONDS)
        yield stands

    def look(self) -> JobStatus:
        """Raises ServiceError, StoreError, JournalError."""
        for _ in range(_LOOKS):
            self._tracker.look()
            # Where the service has nothing left to do, what is open has ended without a result.
            if not self._tracker.settler.open or not self._tracker.questions.is_idle:
                break
        account = Account.of(self._journal)
        failures = self._journal.rows(queries.COUNT_CODES, {})
        write_account(account, self._deployment.bucket, clock=self._clock, progress=silent)
        return JobStatus(
            account=account,
            rate=self._rate(),
            queue=None if account.has_ended else self._deployment.api.queue_status(),
            oldest=self._oldest(),
            failures={row["code"]: row["count"] for row in failures},
            retryable=sum(row["retryable"] for row in failures),
        )

    def _rate(self) -> float:
        now = self._clock.now()
        values = {"since": now - _RATE_SECONDS}
        ((count, first),) = self._journal.rows(queries.COUNT_LATE_RESULTS, values)
        return count / min(_RATE_SECONDS, max(1.0, now - first)) if count else 0.0

    def _oldest(self) -> Waiting | None:
        now = self._clock.now()
        for entry in self._tracker.requests.longest_sent(before=now, now=now, limit=1):
            answer = self._tracker.questions.answers.get(entry.item)
            service = answer.status if answer else None
            return Waiting(item=entry.item, seconds=now - entry.submitted_at, service=service)
        return None
