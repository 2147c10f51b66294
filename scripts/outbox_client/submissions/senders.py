"""Reading what other machines tell of a job, and whether one of them is still sending."""

import itertools
import math
from collections.abc import Callable

from truss_outbox.contract.errors import AccessDeniedError, StoreError, StoreUnavailableError

from ..bucket.bucket import Bucket
from ..bucket.listed import StoredObject
from ..clock import SYSTEM_CLOCK, Clock
from ..journal.journal import Journal
from ..journal.publication import KnownSender
from .parts import PartError, SubmissionPart, folder, part_of, read_part

SILENT_SECONDS = 90.0
"""A sender that gave no sign of life for so long has stopped."""

_LOOK_AGAIN_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 10.0
_READ_AT_ONCE = 16


def _to_nobody(_: str) -> None:
    pass


def has_parts(bucket: Bucket, job: str) -> bool:
    """Whether some machine told what it sent of the job, as far as it may be read.

    Raises StoreError.
    """
    try:
        return any(part_of(found.key) for found in bucket.objects(folder(job)))
    except AccessDeniedError:
        return False


class Senders:
    """Who sends a job, by what they tell; `tell` gets a sentence about each that fell silent.

    A bucket that does not let its `submissions/` be read tells nothing. Raises JournalError.
    """

    def __init__(
        self,
        journal: Journal,
        bucket: Bucket,
        *,
        clock: Clock = SYSTEM_CLOCK,
        tell: Callable[[str], None] = _to_nobody,
        wait_seconds: float = _LONGEST_WAIT_SECONDS,
    ) -> None:
        """`wait_seconds`: how long a look waits for a bucket that is away."""
        self._journal = journal
        self._bucket = bucket.waiting(timeout_seconds=wait_seconds, on_wait=lambda _: None)
        self._clock = clock
        self.tell = tell
        self._told = set[str]()
        self._foreign = set[str]()
        self._looked_at = -math.inf
        self._sending: list[KnownSender] = []

    def are_sending(self) -> bool:
        """Whether some machine is; asks the bucket every few seconds."""
        if self._clock.elapsed() - self._looked_at >= _LOOK_AGAIN_SECONDS:
            self.look()
        return bool(self._sending)

    def look(self) -> list[KnownSender]:
        """Bring the journal up to date; returns who is sending.

        Where nobody is, what the others have left is this journal's to send.
        """
        self._looked_at = self._clock.elapsed()
        try:
            self._read()
            self._sending = self._alive()
        except StoreUnavailableError:
            return self._sending  # who looks at the results meets it too, and tells it
        except StoreError as error:
            self._tell_once(f"what other machines sent of the job cannot be read: {error}")
            return self._sending
        if not self._sending:
            self._journal.publication.take_over()
            self._tell_of_stopped()
        return self._sending

    def _read(self) -> None:
        listed = {one.key: one for one in self._bucket.objects(folder(self._journal.job))}
        unread = self._journal.publication.unread(listed.keys() - self._foreign)
        # As they were written: the plan of an item comes before its request.
        ordered = iter(sorted((listed[key] for key in unread), key=_place))
        while some := list(itertools.islice(ordered, _READ_AT_ONCE)):
            parts = dict(self._bucket.in_threads(self._part, some))
            for found in some:
                if (part := parts[found.key]) is not None:
                    self._journal.publication.merge(found.key, part.sender, part.lines)

    def _part(self, found: StoredObject) -> tuple[str, SubmissionPart | None]:
        """None for what is none: it is foreign to the bucket."""
        try:
            return found.key, read_part(self._bucket, found, self._journal.job)
        except PartError as error:
            self._bucket.foreign.add(found.key, error)
            self._foreign.add(found.key)
            return found.key, None

    def _alive(self) -> list[KnownSender]:
        """By the bucket's clock, which is asked where it matters."""
        going = [one for one in self._journal.publication.senders() if one.is_going_on]
        others = any(not one.is_mine for one in going)
        here = self._clock.now()
        there = self._bucket.time().timestamp() if others else here
        return [
            one
            for one in going
            if (here if one.is_mine else there) - one.seen_at < SILENT_SECONDS
            if not one.is_mine or self._journal.unsent_count()
        ]

    def _tell_of_stopped(self) -> None:
        publication = self._journal.publication
        if self._journal.unsent_count() or publication.unlisted_elsewhere():
            for one in publication.senders():
                if one.is_going_on and not one.is_mine:
                    self._tell_once(self._stopped(one))

    def _stopped(self, one: KnownSender) -> str:
        job = self._journal.job
        rest = f"`outbox resume {job}`, there or here, sends the rest"
        if one.unlisted:
            rest = f"submit the sources again: what {one.unlisted:,} of them are, it did not tell"
        return f"sender {one.sender} stopped: {one.sent:,} of {one.planned:,} were sent; {rest}"

    def _tell_once(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self.tell(sentence)


def _place(found: StoredObject) -> tuple[float, str]:
    return found.modified_at.timestamp(), found.key
