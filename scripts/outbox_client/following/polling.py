"""Asking the service about the few requests that the bucket does not explain."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from ..clock import Clock
from ..errors import UnknownRequestError
from ..journal.entries import Entry
from ..journal.journal import Journal
from ..journal.states import State
from ..service.api import AsyncApi, QueueStatus, RequestStatus
from ..threads import in_threads

POLLED_AT_ONCE = 20
"""The service takes so many status calls a second."""

# The youngest age at which a request is asked about, and how long the queue's answer is used.
_YOUNG_SECONDS = 5.0
_FIRST_POLL_SECONDS = 30.0
_LONGEST_GAP_SECONDS = 60.0
# The longest duration loses a tenth with each batch of results: only those of late count.
_FADING = 0.9
_REMEMBERED_SECONDS = 3600.0  # the service forgets a request an hour after its end, not before
# How long a result may take to show in a listing after the service says that it succeeded.
_UNSEEN_SECONDS = 30.0

_FORGOTTEN = "FORGOTTEN"
_SUCCEEDED = {"SUCCEEDED", "WEBHOOK_FAILED"}
_FINAL = {
    "FAILED": State.FAILED,
    "EXPIRED": State.EXPIRED,
    "CANCELED": State.CANCELED,
    _FORGOTTEN: State.UNKNOWN,
}
_MESSAGES = {
    "FAILED": "the model failed, and left no record of why in the bucket",
    "EXPIRED": "it waited too long in the queue; raise --max-time-in-queue and submit it again",
    "CANCELED": "it was canceled before it ran",
    _FORGOTTEN: "the service does not know the request any more and the bucket has no result:"
    " submit it again",
}
_NO_RESULT = (
    "the service says it succeeded and the bucket has no result:"
    " check that root and key_template are those of the deployed model"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalStatus:
    """A status that the service will not change any more; `given_at` by `Clock.elapsed`."""

    status: str
    given_at: float
    code: str
    message: str

    @classmethod
    def of(cls, answer: RequestStatus, *, now: float) -> Self | None:
        """None while the request is queued or running."""
        if answer.status not in _SUCCEEDED and answer.status not in _FINAL:
            return None
        message = _MESSAGES.get(answer.status, _NO_RESULT)
        code, message = answer.errors[0] if answer.errors else (answer.status, message)
        return cls(status=answer.status, given_at=now, code=code, message=message)

    def state_without_result(self, *, now: float) -> State | None:
        """The end of an item without a manifest; None while one may still become visible."""
        if self.status in _SUCCEEDED:
            return State.UNKNOWN if now >= self.given_at + _UNSEEN_SECONDS else None
        return _FINAL[self.status]


@dataclass(kw_only=True, slots=True)
class PolledStatus:
    """The service's latest answer about one request; `polled_at` by `Clock.elapsed`.

    `polls` counts the questions, `unknown` the latest answers in a row that it is not known.
    """

    request_id: str
    polled_at: float
    polls: int = 1
    unknown: int = 0
    status: str | None = None
    final: FinalStatus | None = None


class StatusPoller:
    """Decides which requests to ask about and when; keeps the answers by item until `forget`.

    A request is asked about once the service has nothing left to do, or once the request has
    taken twice as long as the others do. Raises ServiceError.
    """

    def __init__(self, journal: Journal, *, api: AsyncApi, clock: Clock) -> None:
        self.answers: dict[str, PolledStatus] = {}
        self._journal = journal
        self._api = api
        self._clock = clock
        self._queue: QueueStatus | None = None
        self._queue_at = 0.0
        self._usual_seconds = 0.0

    def poll_queue(self) -> None:
        """Call it before the bucket is listed: what had ended by then is in that listing."""
        now, elapsed = self._clock.now(), self._clock.elapsed()
        if self._queue is None or elapsed - self._queue_at >= _YOUNG_SECONDS:
            waiting = self._journal.longest_sent(before=now - _YOUNG_SECONDS, now=now, limit=1)
            self._queue = self._api.queue_status() if waiting else None
            self._queue_at = elapsed

    def note_durations(self, times: Iterable[tuple[float, float]]) -> None:
        """When requests were sent and when their results came; the longest of late counts."""
        now = self._clock.now()
        # The bucket's clock may be ahead of ours.
        longest_seconds = max(min(ended_at, now) - sent_at for sent_at, ended_at in times)
        self._usual_seconds = max(longest_seconds, self._usual_seconds * _FADING)

    def poll(self) -> None:
        """Ask about the requests that are due, those sent first before the others."""
        now = self._clock.now()
        before = now - self._age_seconds
        # Those asked about before are in the way: twenty others must still be found behind them.
        limit = POLLED_AT_ONCE + len(self.answers)
        waiting = self._journal.longest_sent(before=before, now=now, limit=limit)
        due = [entry for entry in waiting if self._is_due(entry)]
        for _ in in_threads(self._poll_one, due[:POLLED_AT_ONCE]):
            pass

    def forget(self, item: str) -> None:
        self.answers.pop(item, None)

    @property
    def is_idle(self) -> bool:
        """Whether the service had nothing left to do when it was last asked."""
        return self._queue is not None and self._queue.queued + self._queue.in_progress == 0

    @property
    def _age_seconds(self) -> float:
        """How long ago a request must have been sent to be asked about."""
        if self.is_idle:
            return _YOUNG_SECONDS
        return max(_FIRST_POLL_SECONDS, 2 * self._usual_seconds)

    def _is_due(self, entry: Entry) -> bool:
        polled = self.answers.get(entry.item)
        if polled is None or polled.request_id != entry.request_id:
            return True
        gap = min(_YOUNG_SECONDS * 2 ** (polled.polls - 1), _LONGEST_GAP_SECONDS)
        return polled.final is None and self._clock.elapsed() - polled.polled_at >= gap

    def _poll_one(self, entry: Entry) -> None:
        assert entry.request_id is not None
        elapsed = self._clock.elapsed()
        polled = self.answers.get(entry.item)
        if polled is None or polled.request_id != entry.request_id:
            polled = PolledStatus(request_id=entry.request_id, polled_at=elapsed)
        else:
            polled.polled_at, polled.polls = elapsed, polled.polls + 1
        self.answers[entry.item] = polled
        try:
            answer = self._api.status(entry.request_id)
        except UnknownRequestError:
            polled.unknown += 1
            # The service may not list a young request yet: one such answer proves nothing.
            age_seconds = self._clock.now() - entry.submitted_at
            if polled.unknown > 1 or age_seconds >= _REMEMBERED_SECONDS:
                polled.final = FinalStatus.of(RequestStatus(status=_FORGOTTEN), now=elapsed)
            return
        polled.status, polled.unknown = answer.status, 0
        polled.final = FinalStatus.of(answer, now=elapsed)
