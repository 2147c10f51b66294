"""Fetching a job's results while it runs: each as soon as it is known to be there."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from truss_outbox.contract.keys import key_of_manifest, manifest_key

from ..bucket.bucket import Bucket
from ..bucket.naming import Naming
from ..progress import Event, Progress
from .fetch import FetchReport, fetch

_AT_ONCE = 256
_MOST_WAITING = 5_000
_LOOK_AGAIN_SECONDS = 1.0


class FetchAlong:
    """Takes manifests' paths from any thread; another thread's `run` fetches what they name.

    Begins with the results of the keys `known`. `digests_of` gives the digests of the inputs that
    were sent under keys, as far as they are known. `add` waits while too many results are still to
    be fetched, so that memory stays bounded.
    """

    def __init__(
        self,
        job: str,
        to: Path,
        *,
        bucket: Bucket,
        naming: Naming,
        known: Iterable[str],
        digests_of: Callable[[Iterable[str]], Mapping[str, str]],
        progress: Progress,
    ) -> None:
        self.report = FetchReport(job=job)
        self._to = to
        self._bucket = bucket
        self._naming = naming
        self._digests_of = digests_of
        self._progress = progress
        self._waiting = [manifest_key(key) for key in known]
        self._total = len(self._waiting)
        self._fetched = 0
        self._changed = threading.Condition()
        self._is_complete = False
        self._is_over = False

    def add(self, paths: Sequence[str]) -> None:
        with self._changed:
            while len(self._waiting) > _MOST_WAITING and not self._is_over:
                self._changed.wait(_LOOK_AGAIN_SECONDS)
            self._waiting.extend(paths)
            self._total += len(paths)
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
        report = fetch(
            self.report.job,
            self._to,
            bucket=self._bucket,
            naming=self._naming,
            digests=self._digests_of(key_of_manifest(path) for path in paths),
            progress=self._tell,
            paths=paths,
        )
        self._fetched += len(paths)
        self.report.results.extend(report.results)

    def _tell(self, event: Event) -> None:
        """As of all that is to be fetched, not of the few under way."""
        self._progress(replace(event, done=self._fetched + event.done, total=self._total))
