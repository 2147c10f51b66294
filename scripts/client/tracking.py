"""Finding out what became of a job's items: from the bucket, and where it is silent, by asking."""

from dataclasses import dataclass

from model.artifacts import Failure
from model.artifacts.errors import KeyConflictError
from scripts.client.clock import Clock
from scripts.client.deployment import Deployment
from scripts.client.entries import Entry
from scripts.client.errors import ServiceUnavailableError, UnknownRequestError
from scripts.client.journal import Journal
from scripts.client.progress import Event, Progress
from scripts.client.sightings import Sightings
from scripts.client.states import State
from scripts.client.threads import in_threads
from scripts.client.verdicts import Verdict, final_state, same_request

ASK_AFTER_SECONDS = 5.0
_ASKS_PER_LOOK = 20
_UNANSWERED_SECONDS = 60.0


@dataclass(kw_only=True, slots=True)
class Open:
    """An item whose end is not known yet, and what has been seen of it."""

    entry: Entry
    ask_at: float
    conflict: bool = False
    failure: Failure | None = None
    verdict: Verdict | None = None
    status: str | None = None


class Tracker:
    """The open items of a job; each `look` settles in the journal those whose end shows."""

    def __init__(
        self,
        journal: Journal,
        *,
        deployment: Deployment,
        progress: Progress,
        clock: Clock,
        ask_after_seconds: float = ASK_AFTER_SECONDS,
    ) -> None:
        self._journal = journal
        self._deployment = deployment
        self._progress = progress
        self._clock = clock
        self._trouble = ""
        self._sightings = Sightings(
            deployment.bucket,
            prefix=deployment.naming.prefix(journal.job),
            model_version=deployment.model_version,
        )
        self.open = {
            entry.item: Open(entry=entry, ask_at=entry.submitted_at + ask_after_seconds)
            for entry in journal.entries()
            if entry.state.is_open or entry.state is State.UNKNOWN
        }
        self.total = len(self.open)

    def look(self) -> None:
        """List, then judge by what the service said before the listing, then ask it again.

        Raises StoreError, ServiceError (but not where the service is merely unavailable).
        """
        self._refresh()
        self._see_manifests()
        self._see_failures()
        for item in list(self.open.values()):
            self._judge(item)
        self._ask()

    def _refresh(self) -> None:
        """Another process may still be submitting."""
        if any(item.entry.request_id is None for item in self.open.values()):
            for entry in self._journal.entries():
                if entry.item in self.open:
                    self.open[entry.item].entry = entry

    def _see_manifests(self) -> None:
        doubtful = []
        by_key = self._by_key()
        there = list(self._sightings.committed(by_key)) if by_key else []
        for item in (item for key in there for item in by_key[key]):
            if not item.entry.existed:
                self._settle(item, State.SUCCEEDED)
            # A conflict is looked at again only when the service claims success all the same.
            elif not item.conflict or item.verdict is not None:
                doubtful.append(item)
        for item, matches in in_threads(self._compare, doubtful):
            item.conflict = not matches
            if matches:
                self._settle(item, State.SUCCEEDED)

    def _compare(self, item: Open) -> tuple[Open, bool]:
        # The service's success is the word of the version that is really deployed.
        said_so = item.verdict is not None
        return item, self._sightings.is_result_of(item.entry, of_any_version=said_so)

    def _see_failures(self) -> None:
        by_key = self._by_key()
        for failure in self._sightings.new_failures(by_key) if by_key else ():
            for item in by_key.get(failure.key, ()):
                _note_failure(item, failure)

    def _judge(self, item: Open) -> None:
        """Settle the item if its end is known."""
        now = self._clock.now()
        if item.failure is not None and not item.failure.retryable:
            self._settle(item, State.FAILED, item.failure.code, item.failure.message)
        elif item.verdict is not None:
            state = final_state(item.verdict, now=now)
            if item.conflict and state in {State.FAILED, State.UNKNOWN}:
                conflict = KeyConflictError(item.entry.key or "", request_id="unknown")
                self._settle(item, State.FAILED, conflict.code, str(conflict))
            elif state is not None:
                self._settle(item, state, *_reason(item))
        elif item.entry.request_id is None and now > item.entry.submitted_at + _UNANSWERED_SECONDS:
            message = "it is not known whether the request arrived: submit the job again"
            self._settle(item, State.UNKNOWN, "NOT_SENT", message)

    def _ask(self) -> None:
        now = self._clock.now()
        due = [
            item
            for item in self.open.values()
            if item.entry.request_id and item.verdict is None and item.ask_at <= now
        ]
        for item in sorted(due, key=lambda item: item.ask_at)[:_ASKS_PER_LOOK]:
            try:
                self._ask_about(item)
            except ServiceUnavailableError as error:
                self._report_trouble(f"{error}; still watching the bucket")
                return

    def _ask_about(self, item: Open) -> None:
        assert item.entry.request_id is not None
        now = self._clock.now()
        item.ask_at = now + ASK_AFTER_SECONDS
        try:
            answer = self._deployment.api.status(item.entry.request_id)
        except UnknownRequestError:
            item.verdict = Verdict.forgotten(now=now)
            return
        item.status = answer.status
        item.verdict = Verdict.of(answer, now=now)

    def _settle(
        self, item: Open, state: State, code: str | None = None, message: str | None = None
    ) -> None:
        if self.open.pop(item.entry.item, None) is None:
            return
        request_id = item.entry.request_id
        self._journal.settle(
            item.entry.item, state, request_id=request_id, code=code, message=message
        )
        self._report(item=item.entry.item, state=state, note=message or "")

    def _report_trouble(self, note: str) -> None:
        """Once, however long it lasts."""
        if note != self._trouble:
            self._trouble = note
            self._report(note=note)

    def _report(self, *, item: str | None = None, state: str = "", note: str = "") -> None:
        done = self.total - len(self.open)
        self._progress(
            Event(phase="wait", done=done, total=self.total, item=item, state=state, note=note)
        )

    def _by_key(self) -> dict[str, list[Open]]:
        by_key: dict[str, list[Open]] = {}
        for item in self.open.values():
            if item.entry.key is not None:
                by_key.setdefault(item.entry.key, []).append(item)
        return by_key


def _note_failure(item: Open, failure: Failure) -> None:
    """Keep the latest failure of the item's own request; others tell of earlier requests."""
    if not same_request(failure.request_id, item.entry.request_id):
        return
    if item.failure is None or failure.created_at > item.failure.created_at:
        item.failure = failure


def _reason(item: Open) -> tuple[str | None, str | None]:
    assert item.verdict is not None
    if item.failure is not None:
        return item.failure.code, item.failure.message
    return item.verdict.code, item.verdict.message
