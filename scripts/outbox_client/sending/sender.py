"""One item on its way to the service: its place in the queue, its turn, its answer, its note."""

import threading
from dataclasses import dataclass

from truss_outbox.contract.errors import InvalidInputError, OutboxError

from ..clock import Clock
from ..deployment import Deployment
from ..errors import RefusedRequestError, ServiceUnavailableError
from ..journal.entries import Accepted, Begun, Planned, State
from ..journal.journal import Journal
from ..service.pace import Pace
from .body import Body, make_body
from .limits import Limits, Patience, Window, pause_seconds

_CONTACT_ATTEMPTS = 6
_SLICE_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """The service's answer for one item; `problem` where the request was refused."""

    item: str
    key: str | None = None
    request_id: str | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """An item with its body, or what is wrong with it."""

    planned: Planned
    body: Body | None
    problem: InvalidInputError | None = None


class _HaltedError(Exception):
    """Sending is to stop."""


class Sender:
    """Sends items, each from a thread of its own; `halt` makes all of them give up waiting."""

    def __init__(
        self,
        journal: Journal,
        *,
        deployment: Deployment,
        limits: Limits,
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
        self._patience = Patience(limits.patience, clock)

    @property
    def halted(self) -> bool:
        return self._stop.is_set() or self._halted.is_set()

    def halt(self) -> None:
        self._halted.set()

    def make_contact(self) -> None:
        """Ask how full the queue is. Raises ServiceError soon where nobody is there."""
        import stamina  # noqa: PLC0415  # 0.05 seconds that only who sends need pay

        for attempt in stamina.retry_context(
            on=ServiceUnavailableError, attempts=_CONTACT_ATTEMPTS, timeout=60.0
        ):
            with attempt:
                self._window.ask()

    def prepare(self, planned: Planned) -> Ready:
        """Raises StoreError where the document cannot be put into the bucket."""
        if self.halted:
            return Ready(planned=planned, body=None)
        try:
            body = make_body(planned.batch, planned.item, self._deployment.bucket)
        except InvalidInputError as error:
            return Ready(planned=planned, body=None, problem=error)
        return Ready(planned=planned, body=body)

    def send(self, ready: Ready) -> Receipt | None:
        """None where sending has stopped before. A refusal of this very request is a receipt.

        Raises ServiceError where the next request would fare no better, and JournalError.
        """
        try:
            if ready.problem is not None:
                return self._refused(ready, ready.problem)
            return self._deliver(ready, ready.body) if ready.body else None
        except _HaltedError:
            return None
        except BaseException:
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
                if self._patience.is_over(error, since=failing_since):
                    return self._refused(ready, error)
            self._pause(pause_seconds(failures))

    def _attempt(self, planned: Planned, body: Body) -> Receipt:
        with self._window.place(), self._pace.turn():
            if self.halted:
                raise _HaltedError
            self._journal.begin_submits([self._begun(planned, body)])
            request_id = self._deployment.api.submit(body.content)
        self._patience.note_accepted()
        item, key = planned.item, planned.key
        if key is None:
            metadata = planned.batch.metadata(item)
            key = self._deployment.naming.key(metadata, request_id=request_id)
        assert key is not None
        self._journal.end_submits([Accepted(item=item.name, key=key, request_id=request_id)])
        return Receipt(item=item.name, key=key, request_id=request_id)

    def _begun(self, planned: Planned, body: Body) -> Begun:
        return Begun(
            item=planned.item.name,
            key=planned.key,
            digest=body.digest,
            size=body.document_bytes,
            submitted_at=self._clock.now(),
        )

    def _refused(self, ready: Ready, error: OutboxError) -> Receipt:
        item = ready.planned.item.name
        self._journal.settle(
            item, State.FAILED, request_id=None, code=error.code, message=str(error)
        )
        return Receipt(item=item, problem=str(error))

    def _pause(self, seconds: float) -> None:
        end = self._clock.elapsed() + seconds
        while (left := end - self._clock.elapsed()) > 0:
            if self.halted:
                raise _HaltedError
            self._clock.sleep(min(left, _SLICE_SECONDS))
