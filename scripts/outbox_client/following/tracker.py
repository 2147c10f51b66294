"""Following a job's open requests: by listing the bucket, and by asking where it shows nothing."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from truss_outbox.contract.errors import KeyConflictError, OutboxError, StoreUnavailableError
from truss_outbox.contract.manifest import Failure

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import ServiceUnavailableError, UnauthorizedError, WaitTimeoutError
from ..journal.entries import Entry, OpenRequest, StoredResult
from ..journal.journal import Journal
from ..journal.states import State
from ..progress import Progress, silent
from ..service.api import Deployment, bare_id
from ..submissions.publishing import publish_rest
from ..submissions.senders import Senders
from ..threads import in_threads
from .account import Account, Settler, final_account
from .listing import JobListing, Stretch
from .polling import FinalStatus, StatusPoller

# Not longer: a time-out is seen between two looks, and looks are repeated for minutes.
_LOOK_WAIT_SECONDS = 10.0
# A submit without an answer for so long is given up, unless its sender is still at work.
_UNANSWERED_SECONDS = 60.0
_NOT_SENT = "NOT_SENT"


class Tracker:
    """Each `look` settles in the journal the open items whose end can be seen.

    `committed` is called, in any thread, with the manifests' paths of the results that were found.
    While `is_sending`, a submit without an answer is not given up.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        deployment: Deployment,
        progress: Progress = silent,
        clock: Clock = SYSTEM_CLOCK,
        committed: Callable[[Sequence[str]], None] = lambda _: None,
        is_sending: Callable[[], bool] = lambda: False,
    ) -> None:
        self.settler = Settler(journal=journal, progress=progress, clock=clock, committed=committed)
        self.poller = StatusPoller(journal, api=deployment.api, clock=clock)
        self.is_sending = is_sending
        self.journal = journal
        self.clock = clock
        bucket = deployment.bucket.waiting(timeout_seconds=_LOOK_WAIT_SECONDS)
        self._listing = JobListing(journal, replace(deployment, bucket=bucket))
        # By item: whose key holds another input's result, and why an attempt failed.
        self._conflicts: set[str] = set()
        self._reasons: dict[str, Failure] = {}

    def look(self) -> None:
        """List, settle by what the service said before that listing, then ask it again.

        In this order, because a result may be committed at any moment: only a listing that began
        after the service's final answer shows that there is none. Raises StoreError and
        ServiceError, but not where the service is merely unavailable.
        """
        self.settler.refresh()
        self._find_results()
        if self.settler.open:
            self._find_failures()
            self._settle_by_answers()
            self._give_up_unanswered()
            self._poll()

    def _find_results(self) -> None:
        for doubtful in in_threads(self._find_results_in, self._listing.stretches()):
            self._settle_doubtful(doubtful)

    def _settle_doubtful(self, doubtful: Sequence[StoredResult]) -> None:
        for result, matches in in_threads(self._compare, doubtful):
            if matches:
                self._succeed([result])
            else:
                self._conflicts.add(result.request.item)

    def _find_results_in(self, stretch: Stretch) -> list[StoredResult]:
        found = self._listing.results(stretch)
        return [doubtful for some in found for doubtful in self._settle_certain(some)]

    def _settle_certain(self, found: Sequence[StoredResult]) -> list[StoredResult]:
        """Returns those that may be another input's result."""
        self._succeed([result for result in found if not result.request.existed])
        return [result for result in found if self._is_doubtful(result.request)]

    def _is_doubtful(self, request: OpenRequest) -> bool:
        """A known conflict is compared again only when the service reports a final status."""
        return bool(request.existed) and (
            request.item not in self._conflicts or self._has_final_status(request)
        )

    def _compare(self, result: StoredResult) -> tuple[StoredResult, bool]:
        # If the service says that it succeeded, whatever version is deployed wrote this result.
        of_any_version = self._has_final_status(result.request)
        return result, self._listing.is_result_of(result.request, of_any_version=of_any_version)

    def _has_final_status(self, request: OpenRequest) -> bool:
        polled = self.poller.answers.get(request.item)
        return polled is not None and polled.final is not None

    def _find_failures(self) -> None:
        for request, failure in self._listing.new_failures():
            if not _is_same_request(failure.request_id, request.request_id):
                continue  # of an earlier submit
            # The model says that a repetition cannot help: the service will not try again.
            if not failure.retryable:
                self._end(request, State.FAILED, failure.code, failure.message, retryable=False)
                continue
            known = self._reasons.get(request.item)
            if known is None or failure.created_at > known.created_at:
                self._reasons[request.item] = failure

    def _settle_by_answers(self) -> None:
        """Settle the items whose final status was known before the listing."""
        answers, now = self.poller.answers, self.clock.elapsed()
        items = [item for item, polled in answers.items() if polled.final is not None]
        ended = list[tuple[Entry, FinalStatus, State]]()
        for entry in self.journal.entries_of_items(items):
            polled = answers[entry.item]
            if not entry.state.is_open or polled.request_id != entry.request_id:
                self.poller.forget(entry.item)
            elif polled.final and (state := polled.final.state_without_result(now=now)):
                ended.append((entry, polled.final, state))
        self._find_results_of([entry for entry, _, _ in ended])
        for entry, final, state in ended:
            self._settle_by(final, entry, state)

    def _find_results_of(self, entries: Iterable[Entry]) -> None:
        """Ask for their manifests by themselves, in case the listing was not in the store's order.

        No request ends without a result before that.
        """
        keys = [entry.key for entry in entries if entry.key and entry.item not in self._conflicts]
        self._settle_doubtful(self._settle_certain(self._listing.results_of(keys)))

    def _settle_by(self, final: FinalStatus, entry: Entry, state: State) -> None:
        reason = self._reasons.get(entry.item)
        if entry.item in self._conflicts and state in {State.FAILED, State.UNKNOWN}:
            conflict = KeyConflictError(entry.key or "", request_id="unknown")
            self._end(entry, State.FAILED, conflict.code, str(conflict))
        elif reason is not None and _is_same_request(reason.request_id, entry.request_id):
            self._end(entry, state, reason.code, reason.message)
        else:
            self._end(entry, state, final.code, final.message)

    def _give_up_unanswered(self) -> None:
        if self.is_sending():
            return
        now = self.clock.now()
        message = "it is not known whether the request arrived: submit the job again"
        unanswered = self.journal.unanswered(before=now - _UNANSWERED_SECONDS, now=now)
        self._find_results_of(unanswered)
        for entry in unanswered:
            self._end(entry, State.UNKNOWN, _NOT_SENT, message)

    def _poll(self) -> None:
        try:
            self.poller.poll()
            self.poller.poll_queue()
        except ServiceUnavailableError as error:
            self.settler.report_trouble(f"{error}; still watching the bucket")

    def _succeed(self, results: Sequence[StoredResult]) -> None:
        if not results:
            return
        self.poller.note_durations((request.submitted_at, at) for request, at in results)
        for request, _ in results:
            self._forget(request.item)
        self.settler.succeed(results)

    def _end(
        self,
        one: Entry | OpenRequest,
        state: State,
        code: str,
        message: str,
        *,
        retryable: bool | None = None,
    ) -> None:
        self._forget(one.item)
        self.settler.end(one, state, code=code, message=message, retryable=retryable)

    def _forget(self, item: str) -> None:
        self.poller.forget(item)
        self._conflicts.discard(item)
        self._reasons.pop(item, None)


def _is_same_request(first: str, second: str | None) -> bool:
    return second is not None and bare_id(first) == bare_id(second)


_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 2.0
_BUCKET_AWAY_SECONDS = 300.0
_NOBODY_SENDS_SECONDS = 60.0  # a sender that waits for room in the queue is silent for a while


class Watch:
    """Repeats a tracker's `look` until the end of every item is known."""

    def __init__(self, tracker: Tracker, *, timeout_seconds: float | None = None) -> None:
        now = tracker.clock.elapsed()
        self._tracker = tracker
        self._clock = tracker.clock
        self._deadline = math.inf if timeout_seconds is None else now + timeout_seconds
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._look_seconds = 0.0
        self._answered_at = now
        self._planned = 0
        self._planned_since = now

    def look(self) -> bool:
        """Whether nothing is left to wait for. Raises StoreError, ServiceError, JournalError.

        StoreUnavailableError is raised only once the bucket has been away for minutes.
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
            pending = settler.open + settler.planned
            raise WaitTimeoutError(self._tracker.journal.job, pending=pending)
        # Pause as long as a look takes: a long listing is not begun again at once.
        self._clock.sleep(min(max(self._pause_seconds, self._look_seconds), remaining))
        self._pause_seconds = min(self._pause_seconds * 1.3, _LONGEST_PAUSE_SECONDS)

    def _nothing_is_planned(self) -> bool:
        """Also where planned items are left, and no process has sent any for a minute."""
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

    Planned items are waited for as long as some process sends them, on any machine. Once the job
    has ended, its account is stored in the bucket. Raises WaitTimeoutError after `timeout_seconds`,
    ServiceError, StoreError and JournalError; what was found out until then is in the journal.
    """
    journal.reopen_unknown()
    senders = Senders(journal, deployment.bucket, clock=clock, wait_seconds=_LOOK_WAIT_SECONDS)
    tracker = Tracker(
        journal,
        deployment=deployment,
        progress=progress,
        clock=clock,
        is_sending=senders.are_sending,
    )
    senders.tell = tracker.settler.report_trouble
    watch = Watch(tracker, timeout_seconds=timeout_seconds)
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
    finally:
        publish_rest(journal, deployment.bucket, clock=clock)
    return final_account(journal, deployment.bucket, clock=clock, progress=progress)
