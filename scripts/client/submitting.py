"""Sending a job's documents, each noted in the journal before and after."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from model.artifacts.errors import InvalidInputError, OutboxError
from model.artifacts.keys import manifest_key
from scripts.client.batch import Batch
from scripts.client.clock import SYSTEM_CLOCK, Clock
from scripts.client.deployment import Deployment
from scripts.client.entries import Accepted, Begun, Planned
from scripts.client.errors import RefusedRequestError
from scripts.client.items import Item, check_items
from scripts.client.journal import Journal
from scripts.client.naming import Naming
from scripts.client.progress import Event, Progress, silent
from scripts.client.request_body import Body, check_body, make_body
from scripts.client.states import State
from scripts.client.threads import in_threads


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """The service's answer for one item; `problem` where it refused the request."""

    item: str
    key: str | None = None
    request_id: str | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    job: str
    accepted: list[Receipt] = field(default_factory=list)
    refused: list[Receipt] = field(default_factory=list)

    @property
    def items(self) -> set[str]:
        return {receipt.item for receipt in (*self.accepted, *self.refused)}


def submit(
    items: Sequence[Item],
    batch: Batch,
    *,
    deployment: Deployment,
    journal: Journal,
    progress: Progress = silent,
    clock: Clock = SYSTEM_CLOCK,
) -> Submission:
    """Send every item once; whoever does it again gets the same results.

    Raises InvalidInputError before anything is sent, and ServiceError, StoreError or JournalError
    on the way: then submit the job again, which is harmless.
    """
    keys = plan(items, batch, naming=deployment.naming)
    sender = _Sender(batch, deployment, journal, clock.now)
    naming = deployment.naming
    journal.plan(
        Planned(item=item, batch=batch, key=naming.key(batch.metadata(item))) for item in items
    )
    journal.mark_existing(_taken_keys(deployment, batch.job, keys))
    submission = Submission(job=batch.job)
    progress(Event(phase="submit", done=0, total=len(items)))
    try:
        for done, receipt in enumerate(in_threads(sender.send, items), start=1):
            (submission.accepted if receipt.problem is None else submission.refused).append(receipt)
            progress(_event(receipt, done=done, total=len(items)))
    except OutboxError as error:
        sent = len(submission.accepted)
        error.add_note(f"{sent} of {len(items)} were sent; submit the job again to go on")
        raise
    return submission


def plan(items: Iterable[Item], batch: Batch, *, naming: Naming) -> set[str]:
    """The items' keys, as far as they are known before they are sent.

    Raises InvalidInputError for whatever can be seen to be wrong now.
    """
    items = list(items)
    check_items(items)
    owners: dict[str, str] = {}
    for item in items:
        check_body(batch, item)
        key = naming.key(batch.metadata(item))
        if key is not None and owners.setdefault(key, item.name) != item.name:
            raise InvalidInputError(
                "key_template",
                f"gives {owners[key]!r} and {item.name!r} the same key: use {{item}} in it",
            )
    return set(owners)


def _taken_keys(deployment: Deployment, job: str, keys: set[str]) -> set[str]:
    if not keys:
        return set()
    manifests = {manifest_key(key): key for key in keys}
    listed = deployment.bucket.keys(f"manifests/{deployment.naming.prefix(job)}")
    return {manifests[path] for path in listed if path in manifests}


def _event(receipt: Receipt, *, done: int, total: int) -> Event:
    return Event(
        phase="submit",
        done=done,
        total=total,
        item=receipt.item,
        state=State.SENT if receipt.problem is None else State.FAILED,
        note=receipt.problem or "",
    )


class _Sender:
    """Sends one item at a time; several threads may use it."""

    def __init__(
        self, batch: Batch, deployment: Deployment, journal: Journal, now: Callable[[], float]
    ) -> None:
        self._batch = batch
        self._deployment = deployment
        self._journal = journal
        self._now = now

    def send(self, item: Item) -> Receipt:
        """Raises ServiceError and StoreError; a refusal of this very request is a receipt."""
        try:
            body = make_body(self._batch, item, self._deployment.bucket)
        except InvalidInputError as error:
            return self._refused(item, error)
        self._begin(item, body)
        try:
            request_id = self._deployment.api.submit(body.content)
        except RefusedRequestError as error:
            return self._refused(item, error)
        metadata = self._batch.metadata(item)
        key = self._deployment.naming.key(metadata, request_id=request_id)
        assert key is not None
        self._journal.end_submits([Accepted(item=item.name, key=key, request_id=request_id)])
        return Receipt(item=item.name, key=key, request_id=request_id)

    def _begin(self, item: Item, body: Body) -> None:
        begun = Begun(
            item=item.name,
            key=self._deployment.naming.key(self._batch.metadata(item)),
            digest=body.digest,
            size=body.document_bytes,
            submitted_at=self._now(),
        )
        self._journal.begin_submits([begun])

    def _refused(self, item: Item, error: InvalidInputError | RefusedRequestError) -> Receipt:
        self._journal.settle(
            item.name, State.FAILED, request_id=None, code=error.code, message=str(error)
        )
        return Receipt(item=item.name, problem=str(error))
