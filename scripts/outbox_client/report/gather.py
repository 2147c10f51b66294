"""Looking at all there is of a job in its bucket. Needs a reader's rights alone."""

from collections.abc import Iterator

from truss_outbox.contract import Failure, Manifest
from truss_outbox.contract.errors import ManifestError, NotFoundError
from truss_outbox.contract.keys import manifest_key, unescape

from ..bucket.bucket import Bucket, StoredObject
from ..bucket.naming import Naming
from ..errors import UnknownJobError
from ..progress import Event, Progress, silent
from ..text import in_utc
from ..threads import in_threads
from .account import read_account
from .failed import Failed, FailedRequests
from .survey import Survey

_LARGEST_RECORD_BYTES = 4 << 20


def survey(job: str, *, bucket: Bucket, naming: Naming, progress: Progress = silent) -> Survey:
    """Reads every manifest and failure record of the job once.

    Raises UnknownJobError where the bucket has nothing of it, and StoreError.
    """
    prefix = naming.prefix(job)
    seen = Survey(job=job, root=bucket.root)
    reader = _Reader(bucket, progress)
    with FailedRequests.opened() as failed:
        # Where a prefix does not name the job, whose failure a record tells of is not known.
        if prefix != naming.prefix(f"{job}.other"):
            for path, data in reader.records(f"failures/{prefix}"):
                _note_failure(failed, path, data, prefix=prefix)
        seen.account = read_account(bucket, job)
        for one in seen.account.failed() if seen.account else ():
            failed.add(one)
        for path, data in reader.records(f"manifests/{prefix}"):
            _note_result(seen, failed, path, data)
        seen.failed, seen.recovered = failed.count(), failed.recovered
        seen.failures = failed.groups()
    if not (seen.results or seen.failed or seen.unreadable or seen.account):
        raise UnknownJobError(f"nothing of job {job!r} is in {bucket.root}")
    return seen


class _Reader:
    """Every record below a prefix; what is too large to be one comes as None."""

    def __init__(self, bucket: Bucket, progress: Progress) -> None:
        self._bucket = bucket
        self._progress = progress
        self._done = 0

    def records(self, prefix: str) -> Iterator[tuple[str, bytes | None]]:
        for found in in_threads(self._read, self._bucket.objects(prefix)):
            self._done += 1
            self._progress(Event(phase="read", done=self._done, total=0))
            yield found

    def _read(self, found: StoredObject) -> tuple[str, bytes | None]:
        if found.size > _LARGEST_RECORD_BYTES:
            return found.key, None
        try:
            return found.key, self._bucket.get(found.key)
        except NotFoundError:  # a sweep or a lifecycle rule was quicker
            return found.key, None


def _note_failure(failed: FailedRequests, path: str, data: bytes | None, *, prefix: str) -> None:
    try:
        failure = Failure.from_bytes(data or b"")
    except ManifestError:
        return
    # A record does not say its item; by the usual template it is the end of the key.
    below = path.removeprefix(f"failures/{prefix}").rpartition("/")[0]
    failed.add(
        Failed(
            key=failure.key,
            item=_unescaped(below),
            code=failure.code,
            message=failure.message,
            retryable=failure.retryable,
            at=in_utc(failure.created_at).isoformat(),
        )
    )


def _note_result(seen: Survey, failed: FailedRequests, path: str, data: bytes | None) -> None:
    try:
        manifest = Manifest.from_bytes(data or b"")
    except ManifestError:
        seen.unreadable += 1
        return
    if path != manifest_key(manifest.key):
        seen.unreadable += 1
    elif manifest.job == seen.job:
        failed.succeeded(manifest.key)
        seen.add(manifest)


def _unescaped(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:
        return text
