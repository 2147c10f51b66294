"""Sending a job: all of it is noted first, then sent; what is cut short is resumed."""

import contextlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, takewhile

from truss_outbox.contract.errors import OutboxError

from ..clock import SYSTEM_CLOCK, Clock
from ..deployment import Deployment
from ..errors import SendingStoppedError, UnknownJobError
from ..journal.entries import Entry, State
from ..journal.journal import Journal
from ..progress import Event, Progress, silent
from ..sources.batch import Batch
from ..sources.items import Item
from ..threads import in_threads
from .limits import DEFAULT_LIMITS, Limits
from .plan import planned
from .sender import Receipt, Sender

_STAGERS = 16
_SENDERS = 64
"""Enough for 200 submits a second where an answer takes 0.3 seconds."""
_KEYS_AT_A_TIME = 1_000


@dataclass(kw_only=True, slots=True)
class Submission:
    """What one call has sent: how many since when, and what was refused; the journal has more."""

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
    limits: Limits = DEFAULT_LIMITS,
    stop: threading.Event | None = None,
) -> Submission:
    """Send every item once; whoever does it again gets the same results.

    Raises InvalidInputError before anything is sent or noted, and on the way what `resume` raises.
    """
    with planned(items, batch, naming=deployment.naming) as plan:
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
    limits: Limits = DEFAULT_LIMITS,
    stop: threading.Event | None = None,
) -> Submission:
    """Send what the journal has planned, and again what was begun without an answer.

    Raises ServiceError, StoreError and JournalError, and SendingStoppedError once `stop` is set,
    after what is under way; then resume again.
    """
    if not journal.counts():
        raise UnknownJobError(f"nothing of job {journal.job!r} was noted yet: submit it again")
    stop = stop or threading.Event()
    submission, total = Submission(job=journal.job, began_at=clock.now()), journal.unsent_count()
    progress(Event(phase="submit", done=0, total=total))
    sender = Sender(
        journal,
        deployment=deployment,
        limits=limits,
        clock=clock,
        stop=stop,
    )
    try:
        for done, receipt in enumerate(_sent(sender, journal, deployment), start=1):
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


def accepted(journal: Journal, submission: Submission) -> Iterator[Entry]:
    """What the submission has sent and the service has taken."""
    for entry in journal.entries():
        if entry.submitted_at >= submission.began_at and entry.request_id is not None:
            yield entry


def _sent(sender: Sender, journal: Journal, deployment: Deployment) -> Iterator[Receipt]:
    if not journal.unsent_count():
        return
    sender.make_contact()
    _mark_existing(journal, deployment)
    unsent = takewhile(lambda _: not sender.halted, journal.unsent())
    prepared = in_threads(sender.prepare, unsent, workers=_STAGERS)
    with contextlib.closing(prepared):
        for receipt in in_threads(sender.send, prepared, workers=_SENDERS, halt=sender.halt):
            if receipt is not None:
                yield receipt


def _mark_existing(journal: Journal, deployment: Deployment) -> None:
    """What is committed already may be another input's: it is to be compared."""
    listed = deployment.bucket.keys(f"manifests/{deployment.naming.prefix(journal.job)}")
    while some := list(islice(listed, _KEYS_AT_A_TIME)):
        journal.mark_existing(
            path.removeprefix("manifests/").removesuffix(".json") for path in some
        )


def _event(receipt: Receipt, *, done: int, total: int) -> Event:
    return Event(
        phase="submit",
        done=done,
        total=total,
        item=receipt.item,
        state=State.SENT if receipt.problem is None else State.FAILED,
        note=receipt.problem or "",
    )
