"""All there is to see of a job in its bucket, in constant memory. Needs a reader's rights alone."""

import hashlib
import heapq
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from model.artifacts import Artifact, Failure, Manifest
from model.artifacts.errors import ManifestError, NotFoundError
from model.artifacts.keys import manifest_key, unescape
from scripts.client.bucket import Bucket
from scripts.client.errors import UnknownJobError
from scripts.client.naming import Naming
from scripts.client.progress import Event, Progress, silent
from scripts.client.report.account import Account, read_account
from scripts.client.report.distribution import Distribution
from scripts.client.report.failed import Failed, FailedRequests, Group
from scripts.client.stored_object import StoredObject
from scripts.client.threads import in_threads

STEPS = ("queue", "preprocess", "predict", "upload")
LARGEST_RECORD_BYTES = 4 << 20
_SLOWEST = 10
_SAMPLE = 24
_PAGES = re.compile(r"pages/[^/]+\.png\Z")
_PAGES_PER_RESULT = 3


@dataclass(frozen=True, order=True, kw_only=True, slots=True)
class Sampled:
    """A result with pages to look at; `rank` is a chance that never changes."""

    rank: int
    key: str
    item: str = field(compare=False)
    attempt: str = field(compare=False)
    pages: tuple[Artifact, ...] = field(compare=False)


@dataclass(kw_only=True, slots=True)
class Survey:
    """Sums over the committed results, what failed, and a few results to look at closely.

    `sample` is the same for the same bucket, and spread over the whole job.
    """

    job: str
    root: str
    results: int = 0
    unreadable: int = 0
    artifacts: int = 0
    artifacts_bytes: int = 0
    first: datetime | None = None
    last: datetime | None = None
    models: Counter[str] = field(default_factory=Counter)
    timings: dict[str, Distribution] = field(
        default_factory=lambda: {step: Distribution() for step in STEPS}
    )
    slowest: list[tuple[float, str]] = field(default_factory=list)
    sample: list[Sampled] = field(default_factory=list)
    failures: list[Group] = field(default_factory=list)
    recovered: int = 0
    account: Account | None = None

    @property
    def failed(self) -> int:
        return sum(group.count for group in self.failures)

    def add(self, manifest: Manifest) -> None:
        self.results += 1
        self.artifacts += len(manifest.artifacts)
        self.artifacts_bytes += sum(artifact.size for artifact in manifest.artifacts)
        self.first = min(self.first or manifest.created_at, manifest.created_at)
        self.last = max(self.last or manifest.created_at, manifest.created_at)
        self.models[f"{manifest.model.name} {manifest.model.version}"[:100]] += 1
        for step, distribution in self.timings.items():
            milliseconds = getattr(manifest.timings_ms, step)
            if milliseconds is not None:
                distribution.add(milliseconds)
        _keep_largest(self.slowest, (manifest.timings_ms.predict or 0.0, manifest.item), _SLOWEST)
        if sampled := _sampled(manifest):
            _keep_largest(self.sample, sampled, _SAMPLE)


T = TypeVar("T", tuple[float, str], Sampled)


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
        seen.failures, seen.recovered = failed.groups(), failed.recovered
    if not (seen.results or seen.failures or seen.unreadable or seen.account):
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
        if found.size > LARGEST_RECORD_BYTES:
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
            at=failure.created_at.isoformat(),
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


def _sampled(manifest: Manifest) -> Sampled | None:
    pages = (artifact for artifact in manifest.artifacts if _PAGES.match(artifact.name))
    digest = hashlib.sha256(manifest.key.encode()).digest()
    some = tuple(itertools.islice(pages, _PAGES_PER_RESULT))
    rank = int.from_bytes(digest[:8])
    return (
        Sampled(
            rank=rank, key=manifest.key, item=manifest.item, attempt=manifest.attempt, pages=some
        )
        if some
        else None
    )


def _unescaped(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:
        return text


def _keep_largest(heap: list[T], entry: T, size: int) -> None:
    if len(heap) < size:
        heapq.heappush(heap, entry)
    else:
        heapq.heappushpop(heap, entry)
