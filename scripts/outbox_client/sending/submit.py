"""Sending a job: all of it is recorded first, then sent; what is interrupted can be resumed."""

import contextlib
import itertools
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from truss_outbox.contract.errors import OutboxError

from ..bucket.records import keys_with_manifest
from ..bucket.walking import Walker
from ..clock import SYSTEM_CLOCK, Clock
from ..errors import (
    SendingStoppedError,
    ServiceUnavailableError,
    UnknownJobError,
)
from ..journal.entries import Entry, Planned
from ..journal.journal import Journal
from ..journal.states import State
from ..progress import Progress, ProgressEvent, silent
from ..service.api import Deployment
from ..service.limits import (
    DEFAULT_LIMITS,
    SendingLimits,
)
from ..sources.items import Batch, Item
from ..submissions.publishing import publish_plan, publish_rest, publishing
from ..threads import in_threads
from .plan import planned
from .sender import HaltedError, Receipt, Sender

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
        plan.record(journal)
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
    except HaltedError:
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
