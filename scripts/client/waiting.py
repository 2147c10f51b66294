"""Waiting until the end of every item of a job is known."""

from model.artifacts.errors import OutboxError
from scripts.client.accounting import Account, write_account
from scripts.client.clock import SYSTEM_CLOCK, Clock
from scripts.client.deployment import Deployment
from scripts.client.errors import UnauthorizedError, WaitTimeoutError
from scripts.client.journal import Journal
from scripts.client.progress import Progress, silent
from scripts.client.tracking import Tracker
from scripts.client.watching import Watch


def wait(
    journal: Journal,
    *,
    deployment: Deployment,
    timeout_seconds: float | None = None,
    progress: Progress = silent,
    clock: Clock = SYSTEM_CLOCK,
) -> Account:
    """Every item of the job with its final state; failures are states, not errors.

    What is planned is waited for as long as somebody sends it. The account of a job that has ended
    is stored in the bucket. Raises WaitTimeoutError after `timeout_seconds`, ServiceError,
    StoreError and JournalError; what was found out until then is in the journal.
    """
    tracker = Tracker(journal, deployment=deployment, progress=progress, clock=clock)
    tracker.requests.reopen_unknown()
    watch = Watch(tracker, job=journal.job, clock=clock, timeout_seconds=timeout_seconds)
    try:
        while not watch.look():
            watch.pause()
    except WaitTimeoutError:
        raise
    except OutboxError as error:
        refused = isinstance(error, UnauthorizedError)
        remedy = "set BASETEN_API_KEY to a valid key; then " if refused else ""
        error.add_note(f"{remedy}`outbox wait {journal.job}` goes on from here")
        raise
    account = Account.of(journal)
    write_account(account, deployment.bucket, clock=clock, progress=progress)
    return account
