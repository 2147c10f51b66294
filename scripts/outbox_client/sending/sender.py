"""Sending one item after the other, within the service's limits."""

import json
import threading
from dataclasses import dataclass

from truss_outbox.contract.errors import InvalidInputError, OutboxError
from truss_outbox.retrying import LONGEST_WAIT_SECONDS, patiently, pause_seconds

from ..clock import Clock
from ..errors import (
    RefusedRequestError,
    SentFromElsewhereError,
    ServiceUnavailableError,
    UnreadableFileError,
)
from ..journal.entries import Accepted, Begun, Planned, Settlement
from ..journal.journal import Journal
from ..journal.states import State
from ..service.api import Deployment
from ..service.limits import (
    OutageLimit,
    Pace,
    SendingLimits,
    Window,
)
from ..sources.references import files_in
from .body import Body, make_body

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


class HaltedError(Exception):
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
        except HaltedError:
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
                raise HaltedError
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
                raise HaltedError
            self._clock.sleep(min(left, _SLICE_SECONDS))
