"""Finding out what became of a job's items: from the bucket, and where it is silent, by asking."""

from collections.abc import Callable, Sequence

from truss_outbox.contract import Failure
from truss_outbox.contract.errors import KeyConflictError

from ..clock import SYSTEM_CLOCK, Clock
from ..deployment import Deployment
from ..errors import ServiceUnavailableError
from ..journal.entries import Entry, State
from ..journal.journal import Journal
from ..progress import Progress, silent
from ..threads import in_threads
from .asked_of_service import Asked, Questions
from .open_requests import OpenRequest, OpenRequests, Span
from .seen_in_bucket import Seen, Sightings
from .settle import Settler
from .verdicts import NOT_SENT, final_state, same_request

_LISTINGS_AT_ONCE = 4
_UNANSWERED_SECONDS = 60.0


class Tracker:
    """Each `look` settles in the journal the open items whose end shows.

    `committed` is told the manifests' paths of the results that were found, in any thread. While
    `is_sending`, what has no answer yet is not given up.
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
        self.settler = Settler(journal, progress=progress, clock=clock, committed=committed)
        self.requests = OpenRequests(journal)
        self.questions = Questions(self.requests, api=deployment.api, clock=clock)
        self._journal = journal
        self._clock = clock
        self.is_sending = is_sending
        self._conflicts: set[str] = set()
        self._reasons: dict[str, Failure] = {}
        self._sightings = Sightings(
            deployment.bucket,
            self.requests,
            naming=deployment.naming,
            job=journal.job,
            model_version=deployment.model_version,
        )

    def look(self) -> None:
        """List, then judge by what the service said before the listing, then ask it again.

        Raises StoreError, ServiceError (but not where the service is merely unavailable).
        """
        self.settler.refresh()
        self._see_results()
        if self.settler.open:
            self._see_failures()
            self._judge()
            self._give_up_unanswered()
            self._ask()

    def _see_results(self) -> None:
        for doubtful in in_threads(
            self._see_results_of, self._sightings.spans(), workers=_LISTINGS_AT_ONCE
        ):
            for seen, matches in in_threads(self._compare, doubtful):
                if matches:
                    self._succeed([seen])
                else:
                    self._conflicts.add(seen.request.item)

    def _see_results_of(self, span: Span) -> list[Seen]:
        """Settles what is certain; returns those that may be another input's result."""
        doubtful = []
        for some in self._sightings.results(span):
            self._succeed([seen for seen in some if not seen.request.existed])
            doubtful += [seen for seen in some if self._is_doubtful(seen.request)]
        return doubtful

    def _is_doubtful(self, request: OpenRequest) -> bool:
        """A conflict is looked at again only when the service claims success all the same."""
        return bool(request.existed) and (
            request.item not in self._conflicts or self._has_verdict(request)
        )

    def _compare(self, seen: Seen) -> tuple[Seen, bool]:
        # The service's success is the word of the version that is really deployed.
        said_so = self._has_verdict(seen.request)
        return seen, self._sightings.is_result_of(seen.request, of_any_version=said_so)

    def _has_verdict(self, request: OpenRequest) -> bool:
        asked = self.questions.answers.get(request.item)
        return asked is not None and asked.verdict is not None

    def _see_failures(self) -> None:
        for request, failure in self._sightings.new_failures():
            if not same_request(failure.request_id, request.request_id):
                continue  # it tells of an earlier request
            if not failure.retryable:
                self._end(request, State.FAILED, failure.code, failure.message, retryable=False)
                continue
            known = self._reasons.get(request.item)
            if known is None or failure.created_at > known.created_at:
                self._reasons[request.item] = failure

    def _judge(self) -> None:
        """Settle those on whom the service gave its last word before the listing."""
        asked = self.questions.answers
        told = [item for item, answer in asked.items() if answer.verdict is not None]
        for entry in self._journal.entries_of_items(told):
            answer = asked[entry.item]
            if not entry.state.is_open or answer.request_id != entry.request_id:
                self.questions.forget(entry.item)
            else:
                self._judge_by(answer, entry)

    def _judge_by(self, answer: Asked, entry: Entry) -> None:
        assert answer.verdict is not None
        state = final_state(answer.verdict, now=self._clock.elapsed())
        if state is None:
            return
        reason = self._reasons.get(entry.item)
        if entry.item in self._conflicts and state in {State.FAILED, State.UNKNOWN}:
            conflict = KeyConflictError(entry.key or "", request_id="unknown")
            self._end(entry, State.FAILED, conflict.code, str(conflict))
        elif reason is not None and same_request(reason.request_id, entry.request_id):
            self._end(entry, state, reason.code, reason.message)
        else:
            self._end(entry, state, answer.verdict.code, answer.verdict.message)

    def _give_up_unanswered(self) -> None:
        if self.is_sending():
            return
        now = self._clock.now()
        message = "it is not known whether the request arrived: submit the job again"
        for entry in self.requests.unanswered(before=now - _UNANSWERED_SECONDS, now=now):
            self._end(entry, State.UNKNOWN, NOT_SENT, message)

    def _ask(self) -> None:
        try:
            self.questions.ask()
            self.questions.look_at_queue()
        except ServiceUnavailableError as error:
            self.settler.report_trouble(f"{error}; still watching the bucket")

    def _succeed(self, seen: Sequence[Seen]) -> None:
        if not seen:
            return
        self.questions.note_durations((request.submitted_at, at) for request, at in seen)
        for request, _ in seen:
            self._forget(request.item)
        self.settler.succeed(seen)

    def _end(
        self,
        one: Entry | OpenRequest,
        state: State,
        code: str | None,
        message: str | None,
        *,
        retryable: bool | None = None,
    ) -> None:
        self._forget(one.item)
        self.settler.end(one, state, code=code, message=message, retryable=retryable)

    def _forget(self, item: str) -> None:
        self.questions.forget(item)
        self._conflicts.discard(item)
        self._reasons.pop(item, None)
