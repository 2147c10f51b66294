"""Sending, following and fetching a job, all at the same time."""

import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .clock import SYSTEM_CLOCK, Clock
from .deployment import Deployment
from .errors import SendingStoppedError
from .fetching.fetch import FetchReport
from .fetching.while_running import FetchAlong
from .following.account import Account, write_account
from .following.tracker import Tracker
from .following.wait import Watch
from .journal.entries import State
from .journal.journal import Journal
from .progress import Progress, silent
from .sending.limits import DEFAULT_LIMITS, Limits
from .sending.submit import Submission, resume


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What became of the items, and of their results here."""

    account: Account
    fetched: FetchReport


def run(
    journal: Journal,
    to: Path,
    *,
    deployment: Deployment,
    timeout_seconds: float | None = None,
    progress: Progress = silent,
    clock: Clock = SYSTEM_CLOCK,
    limits: Limits = DEFAULT_LIMITS,
    stop: threading.Event | None = None,
) -> Run:
    """Send what the journal has planned, and bring every result of the job to `to` as it comes.

    Whatever ends it before is raised as `resume`, `wait` and `fetch` raise it, once what is under
    way has ended; running again goes on. `stop` raises KeyboardInterrupt, or SendingStoppedError
    while there is something to send. `progress` is called from several threads at once.
    """
    stop = stop or threading.Event()
    succeeded = journal.entries(states=[State.SUCCEEDED])
    along = FetchAlong(
        journal.job,
        to,
        bucket=deployment.bucket,
        naming=deployment.naming,
        known=(entry.key for entry in succeeded if entry.key),
        digests_of=partial(_digests_of, journal),
        progress=progress,
    )
    with ThreadPoolExecutor(2, thread_name_prefix="outbox-run") as pool:
        send = partial(resume, progress=progress, clock=clock, limits=limits, stop=stop)
        sending = pool.submit(send, journal, deployment=deployment)
        fetching = pool.submit(along.run)
        tracker = Tracker(
            journal,
            deployment=deployment,
            progress=progress,
            clock=clock,
            committed=along.add,
            is_sending=lambda: not sending.done(),
        )
        watch = Watch(tracker, job=journal.job, clock=clock, timeout_seconds=timeout_seconds)
        try:
            while not watch.look():
                _check(sending, fetching, stop)
                watch.pause()
            _check(sending, fetching, stop)
            along.complete()
            fetching.result()
        except SendingStoppedError:
            if journal.unsent_count():
                raise
            raise KeyboardInterrupt from None
        finally:
            stop.set()
            along.stop()
    account = Account.of(journal)
    write_account(account, deployment.bucket, clock=clock, progress=progress)
    return Run(account=account, fetched=along.report)


def _digests_of(journal: Journal, keys: Iterable[str]) -> dict[str, str]:
    entries = journal.entries_of_keys(keys)
    return {entry.key: entry.digest for entry in entries if entry.key and entry.digest}


def _check(sending: Future[Submission], fetching: Future[None], stop: threading.Event) -> None:
    """Raises what went wrong meanwhile."""
    for future in (sending, fetching):
        if future.done():
            future.result()
    if stop.is_set() and sending.done():
        raise KeyboardInterrupt
