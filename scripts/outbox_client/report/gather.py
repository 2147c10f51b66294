"""Looking at all there is of a job in its bucket. Needs a reader's rights alone."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TypeVar

from truss_outbox.contract import Failure, Manifest
from truss_outbox.contract.keys import unescape

from ..bucket.bucket import Bucket
from ..bucket.naming import Naming
from ..bucket.records import UnreadableManifest, read_failure, read_listed
from ..errors import UnknownJobError
from ..progress import Progress, ProgressEvent, silent
from ..text import in_utc
from ..threads import in_threads
from .account import read_account
from .failed import Failed, FailedRequests
from .survey import Survey

T = TypeVar("T")


def survey(job: str, *, bucket: Bucket, naming: Naming, progress: Progress = silent) -> Survey:
    """Reads every manifest and failure record of the job once.

    Raises UnknownJobError where the bucket has nothing of it, and StoreError.
    """
    prefix = naming.prefix(job)
    seen = Survey(job=job, root=bucket.root)
    records = _Records(bucket, progress)
    with FailedRequests.opened() as failed:
        # Where a prefix does not name the job, whose failure a record tells of is not known.
        if prefix != naming.prefix(f"{job}.other"):
            for failure in records.failures(prefix):
                failed.add(_failed(failure, prefix=prefix))
        seen.account = read_account(bucket, job)
        for one in seen.account.failed() if seen.account else ():
            failed.add(one)
        for manifest in records.manifests(prefix):
            if isinstance(manifest, UnreadableManifest):
                seen.add_unreadable(manifest)
            elif manifest.job == job:
                failed.succeeded(manifest.key)
                seen.add(manifest)
        seen.failed, seen.recovered = failed.count(), failed.recovered
        seen.failures = failed.groups()
    if not (seen.results or seen.failed or seen.unreadable or seen.account):
        raise UnknownJobError(f"nothing of job {job!r} is in {bucket.root}")
    return seen


class _Records:
    """Reads the records below a prefix, several at a time, and tells how many it has read."""

    def __init__(self, bucket: Bucket, progress: Progress) -> None:
        self._bucket = bucket
        self._progress = progress
        self._done = 0

    def failures(self, prefix: str) -> Iterator[Failure]:
        """Those that can be read."""
        paths = self._bucket.keys(f"failures/{prefix}")
        records = self._counted(in_threads(partial(read_failure, self._bucket), paths))
        return (failure for failure in records if failure is not None)

    def manifests(self, prefix: str) -> Iterator[Manifest | UnreadableManifest]:
        found = self._bucket.objects(f"manifests/{prefix}")
        return self._counted(in_threads(partial(read_listed, self._bucket), found))

    def _counted(self, records: Iterable[T]) -> Iterator[T]:
        for record in records:
            self._done += 1
            self._progress(ProgressEvent(phase="read", done=self._done, total=0))
            yield record


def _failed(failure: Failure, *, prefix: str) -> Failed:
    return Failed(
        key=failure.key,
        # A record does not say its item; by the usual template it is the end of the key.
        item=_unescaped(failure.key.removeprefix(prefix)),
        code=failure.code,
        message=failure.message,
        retryable=failure.retryable,
        at=in_utc(failure.created_at).isoformat(),
    )


def _unescaped(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:
        return text
