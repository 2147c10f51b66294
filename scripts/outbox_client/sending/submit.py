"""Sending a job: all of it is recorded first, then sent; what is interrupted can be resumed."""

import contextlib
import itertools
import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from truss_outbox.contract.errors import InvalidInputError, OutboxError
from truss_outbox.retrying import LONGEST_WAIT_SECONDS, patiently, pause_seconds

from ..bucket.records import keys_with_manifest
from ..bucket.walking import Walker
from ..clock import SYSTEM_CLOCK, Clock
from ..errors import (
    RefusedRequestError,
    SendingStoppedError,
    SentFromElsewhereError,
    ServiceUnavailableError,
    UnknownJobError,
    UnreadableFileError,
)
from ..journal.entries import Accepted, Begun, Entry, Planned, Settlement, State
from ..journal.journal import Journal
from ..progress import Progress, ProgressEvent, silent
from ..service.api import Deployment
from ..service.limits import (
    DEFAULT_LIMITS,
    OutageLimit,
    Pace,
    SendingLimits,
    Window,
)
from ..sources.items import Batch, Item
from ..sources.references import files_in
from ..submissions.publishing import publish_plan, publish_rest, publishing
from ..threads import in_threads
from .body import Body, make_body
from .plan import planned

# A pause is cut into slices, so that a stop ends it at once.
_SLICE_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """The service's answer for one item; `problem` where the request was refused."""

    item: str
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """An item with its body, or what is wrong with it."""

    planned: Planned
    body: Body | None
    problem: InvalidInputError | SentFromElsewhereError | None = None


class _HaltedError(Exception):
    """Sending is to stop."""


class Sender:
    """Sends items, from several threads at a time; `halt` ends what they wait for."""

    def __init__(
        self,
        journal: Journal,
        *,
        deployment: Deployment,
        limits: SendingLimits,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._journal = journal
        self._deployment = deployment
        self._clock = clock
        self._stop = stop
        self._halted = threading.Event()
        self._pace = Pace(limits.submits_per_second, clock)
        self._window = Window(limits.in_flight, deployment.api, clock=clock, pause=self._pause)
        self._outage = OutageLimit(limits.give_up_after, clock)

    @property
    def halted(self) -> bool:
        return self._stop.is_set() or self._halted.is_set()

    def halt(self) -> None:
        self._halted.set()

    def make_contact(self) -> None:
        """Ask how full the queue is. Raises ServiceError after minutes without an answer."""
        patiently(
            self._window.ask,
            timeout_seconds=LONGEST_WAIT_SECONDS,
            on=ServiceUnavailableError,
            pause=self._pause,
            elapsed=self._clock.elapsed,
        )

    def prepare(self, planned: Planned) -> Ready:
        """Raises StoreError where a file cannot be put into the bucket, and JournalError."""
        body, problem = None, None
        if not self.halted:
            try:
                body = self._body(planned)
            except (InvalidInputError, SentFromElsewhereError) as error:
                problem = error
        return Ready(planned=planned, body=body, problem=problem)

    def _body(self, planned: Planned) -> Body:
        item, publication = planned.item, self._journal.publication
        origin = publication.origin(item.name)
        has_files = bool(files_in({**planned.batch.inputs, **item.inputs}))
        # A file of this name may be another one here.
        if origin and not (origin.has_inputs and (origin.digest or not has_files)):
            raise SentFromElsewhereError
        try:
            body = make_body(
                planned.batch,
                item,
                self._deployment.bucket,
                metadata_field=self._deployment.naming.metadata_field,
            )
        except UnreadableFileError as error:
            raise (SentFromElsewhereError() if origin else error) from error
        if origin and has_files and body.digest != origin.digest:
            raise SentFromElsewhereError
        if body.staged is not None:
            publication.record_staged(item.name, json.dumps(body.staged))
        return body

    def send(self, ready: Ready) -> Receipt | None:
        """None where sending has stopped before. A refusal of this one request is a receipt.

        Raises ServiceError where the next request would fail too, and JournalError.
        """
        try:
            if ready.problem is not None:
                return self._refused(ready, ready.problem)
            return self._deliver(ready, ready.body) if ready.body else None
        except _HaltedError:
            return None
        except BaseException:
            # Other threads are in the middle of a pause: without this they would end it first.
            self.halt()
            raise

    def _deliver(self, ready: Ready, body: Body) -> Receipt:
        failures, failing_since = 0, 0.0
        while True:
            try:
                return self._attempt(ready.planned, body)
            except RefusedRequestError as error:
                return self._refused(ready, error)
            except ServiceUnavailableError as error:
                failing_since = failing_since if failures else self._clock.elapsed()
                failures += 1
                if self._outage.is_exceeded(error, since=failing_since):
                    return self._refused(ready, error)
                asked = min(error.retry_after_seconds or 0, LONGEST_WAIT_SECONDS)
            self._pause(max(pause_seconds(failures), asked))

    def _attempt(self, planned: Planned, body: Body) -> Receipt:
        # Room first: a turn of the pace is worth nothing after a wait for room.
        with self._window.place(), self._pace.turn():
            if self.halted:
                raise _HaltedError
            # Before the call: if we are killed in the middle, `resume` knows that it may be queued.
            if not self._journal.begin_submits([self._begun(planned, body)]):
                return Receipt(item=planned.item.name)  # an earlier try has brought its result
            request_id = self._deployment.api.submit(body.content)
        self._outage.note_accepted()
        item, key = planned.item, planned.key
        if key is None:  # the template uses the request id, which only the answer has
            metadata = planned.batch.metadata(item)
            key = self._deployment.naming.key(metadata, request_id=request_id)
        assert key is not None
        self._journal.end_submits([Accepted(item=item.name, key=key, request_id=request_id)])
        return Receipt(item=item.name)

    def _begun(self, planned: Planned, body: Body) -> Begun:
        return Begun(
            item=planned.item.name,
            key=planned.key,
            digest=body.digest,
            size=body.file_bytes,
            submitted_at=self._clock.now(),
        )

    def _refused(self, ready: Ready, error: OutboxError) -> Receipt:
        item = ready.planned.item.name
        failed = Settlement(
            item=item,
            state=State.FAILED,
            code=error.code,
            message=str(error),
            retryable=isinstance(error, SentFromElsewhereError),  # where it was sent from
            ended_at=self._clock.now(),
        )
        # Its result may have been found, although no answer came.
        return Receipt(item=item, problem=str(error) if self._journal.settle(failed) else None)

    def _pause(self, seconds: float) -> None:
        end = self._clock.elapsed() + seconds
        while (left := end - self._clock.elapsed()) > 0:
            if self.halted:
                raise _HaltedError
            self._clock.sleep(min(left, _SLICE_SECONDS))


_STAGERS, _MOST_STAGERS = 16, 64
"""Each may hold a request's body."""
_SENDERS = 64
"""Enough for 200 submits a second where an answer takes 0.3 seconds."""
_FIRST_KEYS, _KEYS_AT_A_TIME = 64, 1_000
"""Few at first, so that the first request is sent at once."""


@dataclass(kw_only=True, slots=True)
class Submission:
    """What one call has sent, and what was refused; the journal has the rest."""

    job: str
    began_at: float
    sent: int = 0
    refused: list[Receipt] = field(default_factory=list)


def submit(
    items: Iterable[Item],
    batch: Batch,
    *,
    deployment: Deployment,
    journal: Journal,
    progress: Progress = silent,
    clock: Clock = SYSTEM_CLOCK,
    limits: SendingLimits = DEFAULT_LIMITS,
    stop: threading.Event | None = None,
) -> Submission:
    """Send every item once; submitting a job again gives the same results.

    Raises InvalidInputError before anything is sent or recorded, later what `resume` raises.
    """
    with planned(items, batch, naming=deployment.naming, progress=progress) as plan:
        journal.plan(plan)
    return resume(
        journal, deployment=deployment, progress=progress, clock=clock, limits=limits, stop=stop
    )


def resume(
    journal: Journal,
    *,
    deployment: Deployment,
    progress: Progress = silent,
    clock: Clock = SYSTEM_CLOCK,
    limits: SendingLimits = DEFAULT_LIMITS,
    stop: threading.Event | None = None,
) -> Submission:
    """Send what the journal has planned, and again what was begun without an answer.

    Raises ServiceError, StoreError and JournalError, and SendingStoppedError once `stop` is set,
    after what is under way; then resume again.
    """
    if not journal.counts():
        raise UnknownJobError(f"nothing of job {journal.job!r} was recorded yet: submit it again")
    stop = stop or threading.Event()
    submission, total = Submission(job=journal.job, began_at=clock.now()), journal.unsent_count()
    progress(ProgressEvent(phase="submit", done=0, total=total))
    sender = Sender(journal, deployment=deployment, limits=limits, clock=clock, stop=stop)

    def tell(note: str) -> None:
        done = submission.sent + len(submission.refused)
        progress(ProgressEvent(phase="submit", done=done, total=total, note=note))

    try:
        if not total:
            publish_rest(journal, deployment.bucket, clock=clock)  # of a run that was killed
        told = publishing(journal, deployment.bucket, planned=total, clock=clock, tell=tell)
        for done, receipt in enumerate(_sent(sender, journal, deployment, told), start=1):
            if receipt.problem is None:
                submission.sent += 1
            else:
                submission.refused.append(receipt)
            progress(_event(receipt, done=done, total=total))
        if stop.is_set():
            raise SendingStoppedError
    except OutboxError as error:
        error.add_note(
            f"{submission.sent} of {total} were sent; `outbox resume {journal.job}` goes on"
        )
        raise
    return submission


def announce(journal: Journal, deployment: Deployment, *, clock: Clock = SYSTEM_CLOCK) -> int:
    """Tell every machine what is planned, before another process sends it; returns how much it is.

    Raises UnauthorizedError and StoreError, as sending would: nobody would see that process's.
    """
    with contextlib.suppress(ServiceUnavailableError):
        deployment.api.queue_status()
    planned = journal.unsent_count()
    publish_plan(journal, deployment.bucket, planned=planned, clock=clock)
    return planned


def accepted(journal: Journal, submission: Submission) -> Iterator[Entry]:
    """What the submission has sent and the service has taken."""
    for entry in journal.entries():
        if entry.submitted_at >= submission.began_at and entry.request_id is not None:
            yield entry


def _sent(
    sender: Sender,
    journal: Journal,
    deployment: Deployment,
    told: contextlib.AbstractContextManager[None],
) -> Iterator[Receipt]:
    """`told` is entered before the first is sent: then service and bucket are known to be there."""
    if not journal.unsent_count():
        return
    # Before anything is read or uploaded, so that a wrong key or address costs no upload.
    try:
        sender.make_contact()
    except _HaltedError:
        return
    unsent = takewhile(lambda _: not sender.halted, _marked(journal, deployment))
    workers, most = (min(deployment.bucket.workers, many) for many in (_STAGERS, _MOST_STAGERS))
    prepared = in_threads(sender.prepare, unsent, workers=workers, most=most)
    # Closed in any case: what is prepared ahead of the senders would go on uploading.
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(prepared))
        if (first := next(prepared, None)) is None:
            return
        stack.enter_context(told)
        ready = itertools.chain([first], prepared)
        for receipt in in_threads(sender.send, ready, workers=_SENDERS, halt=sender.halt):
            if receipt is not None:
                yield receipt


def _marked(journal: Journal, deployment: Deployment) -> Iterator[Planned]:
    """What is to be sent; the keys are looked up before that which hold a result already.

    It may belong to a different input: its fingerprint is to be compared.
    """
    walker, prefix = Walker(deployment.bucket), deployment.naming.prefix(journal.job)
    until, at_a_time = None, _FIRST_KEYS
    for one in journal.unsent():
        if until is None or one.item.name > until:
            keys = journal.unsent_keys(one.item.name, at_a_time)
            there = keys_with_manifest(walker, prefix, [key for key in keys.values() if key])
            journal.mark_existing(there)
            until, at_a_time = max(keys, default=one.item.name), _KEYS_AT_A_TIME
        yield one


def _event(receipt: Receipt, *, done: int, total: int) -> ProgressEvent:
    return ProgressEvent(
        phase="submit",
        done=done,
        total=total,
        item=receipt.item,
        state=State.SENT if receipt.problem is None else State.FAILED,
        note=receipt.problem or "",
    )
