"""Sending, following and fetching a job, all at the same time."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from truss_outbox.contract.keys import manifest_key

from .clock import SYSTEM_CLOCK, Clock
from .errors import SendingStoppedError
from .fetching.fetch import Listed, fetch
from .fetching.report import FetchReport
from .following.account import Account, final_account
from .following.tracker import Tracker, Watch
from .journal.database import committed
from .journal.entries import BEFORE_ALL, FoundResult
from .journal.journal import Journal
from .journal.states import State
from .progress import Progress, ProgressEvent, silent
from .sending.submit import Submission, resume
from .service.api import Deployment
from .service.limits import DEFAULT_LIMITS, SendingLimits
from .submissions.publishing import publish_rest

# Small enough that the first results are here while most are still to come.
_AT_ONCE = 256
_LOOK_AGAIN_SECONDS = 1.0

_ADD = "INSERT OR IGNORE INTO fetched (key) VALUES (?)"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunReport:
    """How the items ended, and which of their results are here."""

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
    limits: SendingLimits = DEFAULT_LIMITS,
    stop: threading.Event | None = None,
) -> RunReport:
    """Send what the journal has planned, and bring every result of the job to `to` as it comes.

    Raises what `resume`, `wait` and `fetch` raise, after what is under way; running again goes on.
    When `stop` is set: SendingStoppedError if something is left to send, else KeyboardInterrupt.
    `progress` is called from several threads at once.
    """
    stop = stop or threading.Event()
    fetcher = FetchWorker(journal, to, deployment=deployment, progress=progress)
    send = partial(resume, progress=progress, clock=clock, limits=limits, stop=stop)
    # This thread follows the job; the other two send and fetch.
    with ThreadPoolExecutor(2, thread_name_prefix="outbox-run") as pool:
        sending = pool.submit(send, journal, deployment=deployment)
        tracker = Tracker(
            journal,
            deployment=deployment,
            progress=progress,
            clock=clock,
            committed=lambda _: fetcher.wake(),
            is_sending=lambda: not sending.done(),
        )
        watch = Watch(tracker, timeout_seconds=timeout_seconds)
        try:
            _finish(watch, journal, sending, fetcher, pool.submit(fetcher.run), stop)
        finally:
            publish_rest(journal, deployment.bucket, clock=clock)
    account = final_account(journal, deployment.bucket, clock=clock, progress=progress)
    return RunReport(account=account, fetched=fetcher.report)


def _finish(
    watch: Watch,
    journal: Journal,
    sending: Future[Submission],
    fetcher: "FetchWorker",
    fetching: Future[None],
    stop: threading.Event,
) -> None:
    """Follow the job to its end and its last download. Ends both threads, whatever is raised."""
    try:
        while not watch.look():
            _check(sending, fetching, stop)
            watch.pause()
        _check(sending, fetching, stop)
        fetcher.complete()
        fetching.result()
    except SendingStoppedError:
        # A stop after the last submit leaves nothing to resume: it only interrupts the waiting.
        if journal.unsent_count():
            raise
        raise KeyboardInterrupt from None
    finally:
        # The pool waits for its threads when it closes: they must know that they are to end.
        stop.set()
        fetcher.stop()


def _check(sending: Future[Submission], fetching: Future[None], stop: threading.Event) -> None:
    """Raises the error of the other threads, if they had one."""
    for future in (sending, fetching):
        if future.done():
            future.result()
    if stop.is_set() and sending.done():
        raise KeyboardInterrupt


class FetchWorker:
    """Fetches results in a thread of its own (`run`), in the order in which they were found.

    The journal has them, whichever process found them, and those of before: what is still to be
    fetched takes no memory here. `wake` says that there may be more.
    """

    def __init__(
        self, journal: Journal, to: Path, *, deployment: Deployment, progress: Progress
    ) -> None:
        self.report = FetchReport(job=journal.job)
        self._journal = journal
        self._to = to
        self._deployment = deployment
        self._progress = progress
        self._last = BEFORE_ALL
        self._fetched = 0
        self._total = 0
        self._changed = threading.Event()
        self._is_complete = False
        self._is_over = False

    def wake(self) -> None:
        self._changed.set()

    def complete(self) -> None:
        """No more will be found: `run` ends when all is fetched."""
        self._is_complete = True
        self._changed.set()

    def stop(self) -> None:
        """`run` ends after what is under way."""
        self._is_over = True
        self._changed.set()

    def run(self) -> None:
        """Until `complete` or `stop`. Raises what `fetch` raises."""
        try:
            with _fetched_keys() as are_new:
                while found := self._next():
                    if keys := are_new(found):
                        self._fetch(keys)
        finally:
            self.stop()

    def _next(self) -> list[FoundResult]:
        """Empty where there are no more."""
        while not self._is_over:
            # Both before the question: what is found after it is asked for once more.
            self._changed.clear()
            is_complete = self._is_complete
            if found := self._journal.found_after(self._last, _AT_ONCE):
                self._last = found[-1]
                return found
            if is_complete:
                break
            self._changed.wait(_LOOK_AGAIN_SECONDS)
        return []

    def _fetch(self, keys: Sequence[str]) -> None:
        self._total = self._journal.counts().get(State.SUCCEEDED, 0)
        listed = Listed.of(map(manifest_key, keys))
        report = fetch(
            self._journal.job,
            self._to,
            bucket=self._deployment.bucket,
            naming=self._deployment.naming,
            digest_of=self._journal.digest_of,
            progress=self._report,
            # Also what is still to come, so that a result's folder does not depend on the order.
            listed=replace(listed, is_result=self._journal.has_key),
        )
        self._fetched += len(keys)
        self.report.add_all(report)

    def _report(self, event: ProgressEvent) -> None:
        """Counted over all that is to be fetched, not the few under way."""
        done = self._fetched + event.done
        self._progress(replace(event, done=done, total=max(done, self._total)))


@contextlib.contextmanager
def _fetched_keys() -> Iterator[Callable[[Sequence[FoundResult]], list[str]]]:
    """A function that gives each key once: a result is found again where its item is sent again,
    by another process too.

    The keys are kept on disk, in a file that SQLite makes and removes.
    """
    with contextlib.closing(sqlite3.connect("", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE fetched (key TEXT PRIMARY KEY) WITHOUT ROWID")

        def are_new(found: Sequence[FoundResult]) -> list[str]:
            with committed(connection):
                return [one.key for one in found if connection.execute(_ADD, (one.key,)).rowcount]

        yield are_new
