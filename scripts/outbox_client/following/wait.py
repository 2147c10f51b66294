"""Waiting until the end of every item of a job is known."""

from truss_outbox.contract.errors import OutboxError

from ..clock import SYSTEM_CLOCK, Clock
from ..deployment import Deployment
from ..errors import UnauthorizedError, WaitTimeoutError
from ..journal.journal import Journal
from ..progress import Progress, silent
from .account import Account, write_account
from .tracker import Tracker, Watch


def wait(
    journal: Journal,
    *,
    deployment: Deployment,
    timeout_seconds: float | None = None,
    progress: Progress = silent,
    clock: Clock = SYSTEM_CLOCK,
) -> Account:
    """Every item of the job with its final state; failures are states, not errors.

    Planned items are waited for as long as some process sends them. Once the job has ended, its
    account is stored in the bucket. Raises WaitTimeoutError after `timeout_seconds`, ServiceError,
    StoreError and JournalError; what was found out until then is in the journal.
    """
    journal.reopen_unknown()
    tracker = Tracker(journal, deployment=deployment, progress=progress, clock=clock)
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
