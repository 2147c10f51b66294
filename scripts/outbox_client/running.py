"""Sending, following and fetching a job, all at the same time."""

import threading
from collections.abc import Sequence
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
from .journal.entries import State
from .journal.journal import Journal
from .progress import Progress, ProgressEvent, silent
from .sending.submit import Submission, resume
from .service.api import Deployment
from .service.limits import DEFAULT_LIMITS, SendingLimits

# Small enough that the first results are here while most are still to come.
_AT_ONCE = 256
_MOST_WAITING = 5_000
_LOOK_AGAIN_SECONDS = 1.0


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
            committed=fetcher.add,
            is_sending=lambda: not sending.done(),
        )
        watch = Watch(tracker, timeout_seconds=timeout_seconds)
        _finish(watch, journal, sending, fetcher, pool.submit(fetcher.run), stop)
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
    """Fetches results in a thread of its own (`run`), which other threads `add` as they are found.

    Begins with the results that the journal knows already. `add` waits while too many are still
    to be fetched, so that memory stays bounded.
    """

    def __init__(
        self, journal: Journal, to: Path, *, deployment: Deployment, progress: Progress
    ) -> None:
        self.report = FetchReport(job=journal.job)
        self._journal = journal
        self._to = to
        self._deployment = deployment
        self._progress = progress
        self._waiting = [
            manifest_key(entry.key)
            for entry in journal.entries(states=[State.SUCCEEDED])
            if entry.key
        ]
        self._added = set(self._waiting)
        self._total = len(self._waiting)
        self._fetched = 0
        self._results = dict[str, bool]()
        self._changed = threading.Condition()
        self._is_complete = False
        self._is_over = False

    def add(self, paths: Sequence[str]) -> None:
        with self._changed:
            while len(self._waiting) > _MOST_WAITING and not self._is_over:
                self._changed.wait(_LOOK_AGAIN_SECONDS)
            # A result is found again where its item is sent again, by another process too.
            new = [path for path in paths if path not in self._added]
            self._added.update(new)
            self._waiting.extend(new)
            self._total += len(new)
            self._changed.notify_all()

    def complete(self) -> None:
        """No more will be added: `run` ends when all is fetched."""
        with self._changed:
            self._is_complete = True
            self._changed.notify_all()

    def stop(self) -> None:
        """`run` ends after what is under way."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def run(self) -> None:
        """Until `complete` or `stop`. Raises what `fetch` raises."""
        try:
            while some := self._next():
                self._fetch(some)
        finally:
            self.stop()

    def _next(self) -> list[str]:
        with self._changed:
            while not (self._waiting or self._is_complete or self._is_over):
                self._changed.wait(_LOOK_AGAIN_SECONDS)
            some = [] if self._is_over else self._waiting[:_AT_ONCE]
            del self._waiting[:_AT_ONCE]
            self._changed.notify_all()
            return some

    def _fetch(self, paths: Sequence[str]) -> None:
        listed = Listed.of(paths)
        report = fetch(
            self._journal.job,
            self._to,
            bucket=self._deployment.bucket,
            naming=self._deployment.naming,
            digest_of=self._journal.digest_of,
            progress=self._report,
            listed=replace(listed, is_result=self._is_result),
        )
        self._fetched += len(paths)
        self.report.add_all(report)

    def _is_result(self, key: str) -> bool:
        """Also of what is still to come, so that a result's folder does not depend on the order."""
        if key not in self._results:
            self._results[key] = bool(list(self._journal.entries_of_keys([key])))
        return self._results[key]

    def _report(self, event: ProgressEvent) -> None:
        """Counted over all that is to be fetched, not the few under way."""
        self._progress(replace(event, done=self._fetched + event.done, total=self._total))
