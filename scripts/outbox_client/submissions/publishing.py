"""Telling other machines what this one sends: a thread of its own, which holds nobody up."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from truss_outbox.contract.errors import AccessDeniedError, AlreadyExistsError, OutboxError

from ..bucket.bucket import Bucket
from ..clock import Clock
from ..journal.journal import Journal
from .parts import PartLines, new_sender, part_key, write_part

EVERY_SECONDS = 5.0
"""What was sent is in the bucket after so long."""

SIGN_OF_LIFE_SECONDS = 30.0
"""Also a sender that has nothing to tell writes a part as often as this."""

_LONGEST_WAIT_SECONDS = 10.0
_BETWEEN_PARTS_SECONDS = 0.5


class Publisher:
    """Writes the parts of one run that sends `planned` items. For one thread at a time."""

    def __init__(
        self,
        journal: Journal,
        bucket: Bucket,
        *,
        planned: int,
        clock: Clock,
        wait_seconds: float = _LONGEST_WAIT_SECONDS,
    ) -> None:
        self._job = journal.job
        self._publication = journal.publication
        announced = self._publication.announced() if planned else None
        self._sender = announced or new_sender()
        self._bucket = bucket.waiting(timeout_seconds=wait_seconds, on_wait=lambda _: None)
        self._clock = clock
        self._planned = planned
        self._sent = 0
        self._unlisted = 0
        self._number = 0 if announced is None else 1
        self._written_at: float | None = None

    def write(
        self, *, ended: bool = False, between: Callable[[float], object] = lambda _: None
    ) -> None:
        """What there is to tell; where that is nothing, a part if it is time for a sign of life.

        `between` two full parts it pauses for the seconds it is given: the plan of a million makes
        a thousand of them, while the first requests are sent. Raises StoreError and JournalError:
        then what was not written is left to the next call.
        """
        while (lines := self._lines()).is_full:
            self._write(lines, ended=False)
            between(_BETWEEN_PARTS_SECONDS)
        now = time.monotonic()
        is_late = self._written_at is None or now - self._written_at >= SIGN_OF_LIFE_SECONDS
        if lines.until or ended or is_late:
            self._write(lines, ended=ended)

    def write_first(self) -> None:
        """One part, with as much as it holds. Raises StoreError and JournalError."""
        self._write(self._lines(), ended=False)

    def _lines(self) -> PartLines:
        lines = PartLines()
        while not lines.is_full and (rows := self._publication.unpublished(after=lines.until)):
            lines.add(rows)
        return lines

    def _write(self, lines: PartLines, *, ended: bool) -> None:
        # Of many it is counted once: that takes a tenth of a second, and the parts are as many.
        if self._unlisted and lines.is_full:
            self._unlisted = max(0, self._unlisted - lines.plans)
        else:
            self._unlisted = self._publication.unlisted_count(after=lines.until)
        sent = min(self._sent + lines.sent, self._planned)
        state = {
            "sender": self._sender,
            "planned": self._planned,
            "sent": sent,
            "unlisted": self._unlisted,
            "ended": ended,
        }
        now = self._clock.now()
        part = write_part({"job": self._job, "written_at": now, **state}, lines)
        key = self._create(part)
        row = {**state, "number": self._number, "seen_at": now}
        self._publication.note_written(key, row, until=lines.until)
        self._number, self._sent, self._written_at = self._number + 1, sent, time.monotonic()

    def _create(self, part: bytes) -> str:
        while True:
            key = part_key(self._job, self._sender, self._number)
            try:
                self._bucket.create_new(key, part)
            except AlreadyExistsError:
                if self._bucket.get(key) == part:  # by this very call
                    return key
                self._number += 1  # another process goes on with what was announced, too
            else:
                return key


@contextlib.contextmanager
def publishing(
    journal: Journal, bucket: Bucket, *, planned: int, clock: Clock, tell: Callable[[str], None]
) -> Iterator[None]:
    """Publishes while the block runs, and what is left at its end, however it ends.

    A bucket that refuses costs one note, to `tell`.
    """
    publisher = Publisher(journal, bucket, planned=planned, clock=clock)
    over = threading.Event()
    thread = threading.Thread(target=_publish, args=(publisher, over, tell), name="outbox-publish")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def publish_plan(journal: Journal, bucket: Bucket, *, planned: int, clock: Clock) -> None:
    """A first part, of a run that another process goes on with.

    Raises StoreError, but not where the bucket does not let it be written.
    """
    with contextlib.suppress(AccessDeniedError):
        Publisher(journal, bucket, planned=planned, clock=clock).write_first()


def publish_rest(journal: Journal, bucket: Bucket, *, clock: Clock) -> None:
    """Tell what ended without a result: nothing else in the bucket shows that for good.

    Where the bucket refuses, it is left to a later call.
    """
    with contextlib.suppress(OutboxError, KeyboardInterrupt):
        if journal.publication.unpublished(after=0, limit=1):
            publisher = Publisher(journal, bucket, planned=0, clock=clock, wait_seconds=0)
            publisher.write(ended=True)


def _publish(publisher: Publisher, over: threading.Event, tell: Callable[[str], None]) -> None:
    has_told = is_over = False
    while not is_over:
        try:
            publisher.write(between=over.wait)
            is_over = over.wait(EVERY_SECONDS)
            if is_over:
                publisher.write(ended=True)
        except KeyboardInterrupt:  # of a wait, once the process was asked to end
            return
        except OutboxError as error:
            if not has_told:
                has_told = True
                tell(_note(error))
            if isinstance(error, AccessDeniedError):
                return
            is_over = is_over or over.wait(EVERY_SECONDS)


def _note(error: OutboxError) -> str:
    return (
        "what is sent cannot be written to the bucket, so no other machine can follow the job; it"
        f" is sent all the same: {error}"
    )
