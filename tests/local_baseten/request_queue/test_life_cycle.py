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
from local_baseten.request_queue.job import Job, JobError, RetryPolicy, Status, WebhookStatus
from local_baseten.request_queue.requests import CLAIM_SECONDS, KNOWN_SECONDS, RequestQueue

ERROR = JobError(code="MODEL_PREDICT_ERROR", message="no")

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

    job: Job
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
        job = Job(
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
        self.queue.add(job)
        account = self.accounts[job.request_id] = Account(job)
        account.webhook = PENDING if webhook else account.webhook
        return job.request_id

    @rule(request_id=accepted)
    def cancel(self, request_id):
        before = self.queue.find(request_id)
        canceled = self.queue.cancel(request_id)
        assert canceled == (before is not None and before.status == QUEUED)

    @rule(target=claims)
    def is_claimed(self):
        job = self.claim()
        return multiple() if job is None else job

    def claim(self) -> Job | None:
        waiting = [a for a in self.accounts.values() if self.seen(a) == QUEUED]
        job = self.queue.claim()
        if job is None:
            assert waiting == []
            return None
        assert job.status == IN_PROGRESS
        assert job.attempts < job.retry.max_attempts
        if job.claims == 1:
            first = min(waiting, key=lambda a: (a.job.priority, int(a.job.request_id)))
            assert job.request_id == first.job.request_id
        self.held[job.request_id, job.claims] = self.now + CLAIM_SECONDS
        return job

    @rule(job=claims)
    def model_answers(self, job):
        self.end_claim(job, self.queue.succeed(job, data="{}"), success=True)

    @rule(job=claims)
    def model_refuses_the_input(self, job):
        self.end_claim(job, self.queue.fail(job, ERROR), failure=True)

    @rule(job=claims)
    def model_crashes(self, job):
        delay_seconds = job.retry.delay_seconds(job.attempts + 1)
        if delay_seconds is None:
            self.end_claim(job, self.queue.fail(job, ERROR), failure=True)
        else:
            counted = self.queue.retry(job, ERROR, delay_seconds=delay_seconds)
            self.end_claim(job, counted, failure=True)

    @rule(job=claims)
    def model_is_not_there(self, job):
        self.end_claim(job, self.queue.put_back(job, delay_seconds=0.1))

    def end_claim(self, job, counted, *, success=False, failure=False):
        """Only who holds the claim is heard, and once."""
        account = self.accounts[job.request_id]
        assert counted == (self.now < self.held.pop((job.request_id, job.claims), 0))
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
        job = self.claim()
        if job is not None:
            self.model_answers(job)
        return self.claim_delivery()

    @rule(delivery=delivering, how=st.sampled_from(["succeeded", "failed"]))
    def delivery_ends(self, delivery, how):
        getattr(self.deliveries, how)(delivery)

    @rule(delivery=delivering)
    def delivery_is_repeated(self, delivery):
        self.deliveries.retried(delivery, delay_seconds=2)

    @rule(job=claims)
    def model_answers_a_claim_that_another_has_taken(self, job):
        self.now += CLAIM_SECONDS
        self.claim()
        self.model_answers(job)

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
            assert account.failures <= account.job.retry.max_attempts

    @invariant()
    def counts_are_right(self):
        known = [job.status for name in self.accounts if (job := self.queue.find(name))]
        assert self.queue.counts() == {status: known.count(status) for status in Status}

    def seen(self, account: Account) -> Status:
        """The request's status now, once it is clear that it may be that."""
        found = self.queue.find(account.job.request_id)
        if found is None:  # forgotten: it had ended, if only by expiring
            assert account.status != IN_PROGRESS
            if account.status == QUEUED:
                assert account.job.expires_at + KNOWN_SECONDS <= self.now
                account.status = Status.EXPIRED
            return account.status
        for before, after, edges in (
            (account.status, found.status, EDGES),
            (account.webhook, found.webhook_status, WEBHOOK_EDGES),
        ):
            assert after in {before, *reachable(before, edges)}, f"{before} to {after}"
        assert (found.status in {SUCCEEDED, Status.WEBHOOK_FAILED}) == (account.successes == 1)
        assert found.status != QUEUED or self.now < account.job.expires_at
        account.status, account.webhook = found.status, found.webhook_status
        return found.status


def reachable(status, edges) -> set:
    """Several steps may lie between two looks."""
    steps = edges.get(status, set())
    return steps.union(*(reachable(step, edges) for step in steps))


@pytest.mark.parametrize(
    "lives", [40, pytest.param(2_000, marks=pytest.mark.slow)], ids=["some", "thousands"]
)
def test_whatever_happens_statuses_move_along_documented_edges(lives):
    run_state_machine_as_test(
        LifeCycle, settings=settings(max_examples=lives, stateful_step_count=60, deadline=None)
    )
