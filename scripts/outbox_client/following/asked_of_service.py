"""Asking the service about the few requests that the bucket does not explain."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..clock import Clock
from ..errors import UnknownRequestError
from ..journal.entries import Entry
from ..service.api import AsyncApi, QueueStatus
from ..threads import in_threads
from .open_requests import OpenRequests
from .verdicts import Verdict

ASKED_AT_ONCE = 20
"""The service takes so many status calls a second; `asked_at` below is by `Clock.elapsed`."""

_YOUNG_SECONDS = 5.0
_PATIENCE_SECONDS = 30.0
_LONGEST_GAP_SECONDS = 60.0
_FADING = 0.9
_REMEMBERED_SECONDS = 3600.0  # the service forgets a request an hour after its end, not before


@dataclass(kw_only=True, slots=True)
class Asked:
    """What the service said of one request."""

    request_id: str
    asked_at: float
    times: int = 1
    unknown: int = 0
    status: str | None = None
    verdict: Verdict | None = None


class Questions:
    """Who is asked about, when, and what the answers were; they are kept until `forget`.

    A request's time is over when the service has nothing left to do, or when it has taken twice as
    long as the others do. Raises ServiceError.
    """

    def __init__(self, requests: OpenRequests, *, api: AsyncApi, clock: Clock) -> None:
        self.answers: dict[str, Asked] = {}
        self._requests = requests
        self._api = api
        self._clock = clock
        self._queue: QueueStatus | None = None
        self._queue_at = 0.0
        self._usual_seconds = 0.0

    def look_at_queue(self) -> None:
        """To be done before the bucket is listed: what had ended by then shows there."""
        now, elapsed = self._clock.now(), self._clock.elapsed()
        if self._queue is None or elapsed - self._queue_at >= _YOUNG_SECONDS:
            waiting = self._requests.longest_sent(before=now - _YOUNG_SECONDS, now=now, limit=1)
            self._queue = self._api.queue_status() if waiting else None
            self._queue_at = elapsed

    def note_durations(self, times: Iterable[tuple[float, float]]) -> None:
        """When requests were sent and when their results came; the longest of late counts."""
        now = self._clock.now()
        # The bucket's clock may be ahead of ours.
        longest_seconds = max(min(ended_at, now) - sent_at for sent_at, ended_at in times)
        self._usual_seconds = max(longest_seconds, self._usual_seconds * _FADING)

    def ask(self) -> None:
        """About those whose time is over, the longest waiting first."""
        now = self._clock.now()
        before = now - self._patience_seconds
        limit = ASKED_AT_ONCE + len(self.answers)
        waiting = self._requests.longest_sent(before=before, now=now, limit=limit)
        due = [entry for entry in waiting if self._is_due(entry)]
        for _ in in_threads(self.ask_about, due[:ASKED_AT_ONCE]):
            pass

    def ask_about(self, entry: Entry) -> None:
        assert entry.request_id is not None
        elapsed = self._clock.elapsed()
        asked = self.answers.get(entry.item)
        if asked is None or asked.request_id != entry.request_id:
            asked = Asked(request_id=entry.request_id, asked_at=elapsed)
        else:
            asked.asked_at, asked.times = elapsed, asked.times + 1
        self.answers[entry.item] = asked
        try:
            answer = self._api.status(entry.request_id)
        except UnknownRequestError:
            asked.unknown += 1
            # It may not have come round there yet: then a second answer is another.
            age_seconds = self._clock.now() - entry.submitted_at
            if asked.unknown > 1 or age_seconds >= _REMEMBERED_SECONDS:
                asked.verdict = Verdict.forgotten(now=elapsed)
            return
        asked.status, asked.unknown = answer.status, 0
        asked.verdict = Verdict.of(answer, now=elapsed)

    def forget(self, item: str) -> None:
        self.answers.pop(item, None)

    @property
    def is_idle(self) -> bool:
        """Whether the service had nothing left to do when it was last asked."""
        return self._queue is not None and self._queue.queued + self._queue.in_progress == 0

    @property
    def _patience_seconds(self) -> float:
        if self.is_idle:
            return _YOUNG_SECONDS
        return max(_PATIENCE_SECONDS, 2 * self._usual_seconds)

    def _is_due(self, entry: Entry) -> bool:
        asked = self.answers.get(entry.item)
        if asked is None or asked.request_id != entry.request_id:
            return True
        gap = min(_YOUNG_SECONDS * 2 ** (asked.times - 1), _LONGEST_GAP_SECONDS)
        return asked.verdict is None and self._clock.elapsed() - asked.asked_at >= gap
