"""Any order of what can happen to requests, against an account too simple to be wrong."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from local_baseten.request_queue.database import Database
from local_baseten.request_queue.deliveries import Deliveries
from local_baseten.request_queue.request import (
    AsyncRequest,
    RequestError,
    RetryPolicy,
    Status,
    WebhookStatus,
)
from local_baseten.request_queue.requests import CLAIM_SECONDS, RequestQueue
from local_baseten.settings import KNOWN_SECONDS

ERROR = RequestError(code="MODEL_PREDICT_ERROR", message="no")

# The oracle: where a request's status may go, by what is documented of them.
QUEUED, IN_PROGRESS, SUCCEEDED = Status.QUEUED, Status.IN_PROGRESS, Status.SUCCEEDED
EDGES = {
    QUEUED: {IN_PROGRESS, Status.EXPIRED, Status.CANCELED},
    IN_PROGRESS: {SUCCEEDED, Status.FAILED},
    SUCCEEDED: {Status.WEBHOOK_FAILED},
}
PENDING = WebhookStatus.PENDING
WEBHOOK_EDGES = {PENDING: {WebhookStatus.SUCCEEDED, WebhookStatus.FAILED, WebhookStatus.CANCELED}}


@dataclass
class Account:
    """What the test knows of a request that was accepted."""

    request: AsyncRequest
    status: Status = QUEUED
    webhook: WebhookStatus = WebhookStatus.NO_WEBHOOK_PROVIDED
    successes: int = 0
    failures: int = 0
    ended_at: float | None = None


class LifeCycle(RuleBasedStateMachine):
    """The queue and its deliveries, and every accepted request's account."""

    accepted = Bundle("accepted")
    claims = Bundle("claims")
    delivering = Bundle("delivering")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.now = 1_000_000.0
        self.accounts: dict[str, Account] = {}
        self.held: dict[tuple[str, int], float] = {}
        """Until when each claim holds."""
        self.open()

    def open(self) -> None:
        self.database = Database.open(Path(self.directory.name) / "queue")
        # Nothing here pulls the plug: kill -9 leaves what was written.
        self.database._connection.execute("PRAGMA synchronous = OFF")
        self.queue = RequestQueue(self.database, clock=lambda: self.now)
        self.deliveries = Deliveries(self.database, clock=lambda: self.now)

    def teardown(self) -> None:
        self.database.close()
        self.directory.cleanup()

    @rule(
        target=accepted,
        priority=st.integers(0, 2),
        seconds=st.sampled_from([10, 600, 259_200]),
        attempts=st.integers(1, 3),
        webhook=st.booleans(),
    )
    def submit(self, priority, seconds, attempts, webhook):
        request = AsyncRequest(
            request_id=str(len(self.accounts)),
            deployment_id="production",
            model_input="{}",
            priority=priority,
            created_at=self.now,
            status_at=self.now,
            expires_at=self.now + seconds,
            retry=RetryPolicy(max_attempts=attempts, initial_delay_ms=1_000),
            webhook_endpoint="https://example.com" if webhook else None,
        )
        self.queue.add(request)
        account = self.accounts[request.request_id] = Account(request)
        account.webhook = PENDING if webhook else account.webhook
        return request.request_id

    @rule(request_id=accepted)
    def cancel(self, request_id):
        before = self.queue.find(request_id)
        canceled = self.queue.cancel(request_id)
        assert canceled == (before is not None and before.status == QUEUED)

    @rule(target=claims)
    def is_claimed(self):
        request = self.claim()
        return multiple() if request is None else request

    def claim(self) -> AsyncRequest | None:
        waiting = [a for a in self.accounts.values() if self.seen(a) == QUEUED]
        request = self.queue.claim()
        if request is None:
            assert waiting == []
            return None
        assert request.status == IN_PROGRESS
        assert request.attempts < request.retry.max_attempts
        if request.claims == 1:
            first = min(waiting, key=lambda a: (a.request.priority, int(a.request.request_id)))
            assert request.request_id == first.request.request_id
        self.held[request.request_id, request.claims] = self.now + CLAIM_SECONDS
        return request

    @rule(request=claims)
    def model_answers(self, request):
        self.end_claim(request, self.queue.succeed(request, data="{}"), success=True)

    @rule(request=claims)
    def model_refuses_the_input(self, request):
        self.end_claim(request, self.queue.fail(request, ERROR), failure=True)

    @rule(request=claims)
    def model_crashes(self, request):
        delay_seconds = request.retry.delay_seconds(request.attempts + 1)
        if delay_seconds is None:
            self.end_claim(request, self.queue.fail(request, ERROR), failure=True)
        else:
            counted = self.queue.retry(request, ERROR, delay_seconds=delay_seconds)
            self.end_claim(request, counted, failure=True)

    @rule(request=claims)
    def model_is_not_there(self, request):
        self.end_claim(request, self.queue.put_back(request, delay_seconds=0.1))

    def end_claim(self, request, counted, *, success=False, failure=False):
        """Only who holds the claim is heard, and once."""
        account = self.accounts[request.request_id]
        assert counted == (self.now < self.held.pop((request.request_id, request.claims), 0))
        account.successes += counted and success
        account.failures += counted and failure

    @rule(target=delivering)
    def claim_delivery(self):
        delivery = self.deliveries.claim()
        if delivery is None:
            return multiple()
        account = self.accounts[delivery.request_id]
        assert (delivery.data == "{}") == (account.successes == 1)
        assert (delivery.error == ERROR) == (account.successes == 0)
        return delivery

    @rule(target=delivering)
    def one_runs_through(self):
        request = self.claim()
        if request is not None:
            self.model_answers(request)
        return self.claim_delivery()

    @rule(delivery=delivering, how=st.sampled_from(["succeeded", "failed"]))
    def delivery_ends(self, delivery, how):
        getattr(self.deliveries, how)(delivery)

    @rule(delivery=delivering)
    def delivery_is_repeated(self, delivery):
        self.deliveries.retried(delivery, delay_seconds=2)

    @rule(request=claims)
    def model_answers_a_claim_that_another_has_taken(self, request):
        self.now += CLAIM_SECONDS
        self.claim()
        self.model_answers(request)

    @rule()
    def killed_and_started_again(self):
        self.database.close()
        self.held.clear()
        self.open()

    @rule(seconds=st.sampled_from([0.1, 1, 5, 11, 601, CLAIM_SECONDS, KNOWN_SECONDS, 260_000]))
    def time_passes(self, seconds):
        self.now += seconds

    @precondition(lambda self: self.accounts)
    @invariant()
    def statuses_move_along_documented_edges(self):
        for account in self.accounts.values():
            self.seen(account)
            assert account.successes <= 1
            assert account.failures <= account.request.retry.max_attempts

    @invariant()
    def counts_are_right(self):
        known = [request.status for name in self.accounts if (request := self.queue.find(name))]
        assert self.queue.counts() == {status: known.count(status) for status in Status}
        unfinished = known.count(QUEUED) + known.count(IN_PROGRESS)
        assert self.queue.count_unfinished() == unfinished

    def seen(self, account: Account) -> Status:
        """The request's status now, once it is clear that it may be that."""
        found = self.queue.find(account.request.request_id)
        if found is None:  # forgotten: it had ended, if only by expiring
            assert account.status != IN_PROGRESS
            if account.status == QUEUED:
                assert account.request.expires_at + KNOWN_SECONDS <= self.now
                account.status = Status.EXPIRED
            return account.status
        for before, after, edges in (
            (account.status, found.status, EDGES),
            (account.webhook, found.webhook_status, WEBHOOK_EDGES),
        ):
            assert after in {before, *reachable(before, edges)}, f"{before} to {after}"
        assert (found.status in {SUCCEEDED, Status.WEBHOOK_FAILED}) == (account.successes == 1)
        assert found.status != QUEUED or self.now < account.request.expires_at
        account.status, account.webhook = found.status, found.webhook_status
        return found.status


def reachable(status, edges) -> set:
    """Several steps may lie between two looks."""
    steps = edges.get(status, set())
    return steps.union(*(reachable(step, edges) for step in steps))


@pytest.mark.parametrize(
    "lives", [25, pytest.param(2_000, marks=pytest.mark.slow)], ids=["some", "thousands"]
)
def test_whatever_happens_statuses_move_along_documented_edges(lives):
    run_state_machine_as_test(
        LifeCycle, settings=settings(max_examples=lives, stateful_step_count=60, deadline=None)
    )
