"""What the bucket has of a job, read with a reader's rights and summed up in constant memory."""

import contextlib
import hashlib
import heapq
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from truss_outbox.contract.errors import (
    AccessDeniedError,
    CorruptArtifactError,
    ManifestError,
    NotFoundError,
)
from truss_outbox.contract.keys import manifest_key, unescape
from truss_outbox.contract.manifest import Artifact, Failure, Manifest

from ..bucket.bucket import Bucket
from ..bucket.foreign import Foreign
from ..bucket.naming import Naming
from ..bucket.records import artifacts_of, listed_failures, read_failure, reading_listed
from ..bucket.tombstones import readable_tombstones
from ..errors import DamagedIndexError, UnknownJobError
from ..indexing import format as index_format
from ..indexing.known import KnownManifests, known_path, with_known
from ..indexing.listing import new_manifests
from ..indexing.parts import IndexParts
from ..indexing.position import Position, rows_after
from ..indexing.reading import catch_up
from ..progress import Progress, ProgressEvent, silent
from ..text import in_utc
from .failed import Failed, FailedRequests, Group, StoredAccount, take_account
from .histogram import Distribution

STEPS = ("queue", "preprocess", "predict", "upload")
# Bounds, because a bucket may hold any number of each.
_MODELS = 20
_SLOWEST = 10
_PROBLEMS = 20
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

    `sample` is the same for the same bucket, and spread over the whole job. `foreign` is how many
    objects of the bucket were passed over, `problems` the first of them.
    """

    job: str
    root: str
    results: int = 0
    foreign: int = 0
    problems: list[Foreign] = field(default_factory=list)
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
    failed: int = 0
    canceled: int = 0
    failures: list[Group] = field(default_factory=list)
    recovered: int = 0
    account: StoredAccount | None = None

    def add(self, manifest: Manifest) -> None:
        self.results += 1
        self.artifacts += manifest.artifact_count
        self.artifacts_bytes += manifest.artifact_bytes
        created_at = in_utc(manifest.created_at)
        self.first = min(self.first or created_at, created_at)
        self.last = max(self.last or created_at, created_at)
        model = f"{manifest.model.name} {manifest.model.version}"[:100]
        if model in self.models or len(self.models) < _MODELS:
            self.models[model] += 1
        for step, distribution in self.timings.items():
            milliseconds = getattr(manifest.timings_ms, step)
            if milliseconds is not None:
                distribution.add(milliseconds)
        _keep_largest(self.slowest, (manifest.timings_ms.predict or 0.0, manifest.item), _SLOWEST)

    def consider(self, manifest: Manifest, *, bucket: Bucket) -> None:
        """Take the result into the sample, if it has pages and its turn. Raises StoreError."""
        # As good as random, so spread over the job, and the same on every run.
        rank = int.from_bytes(hashlib.sha256(manifest.key.encode()).digest()[:8])
        if len(self.sample) == _SAMPLE and rank < self.sample[0].rank:
            return
        if pages := _pages(manifest, bucket):
            names = {"key": manifest.key, "item": manifest.item, "attempt": manifest.attempt}
            _keep_largest(self.sample, Sampled(rank=rank, pages=pages, **names), _SAMPLE)


def _pages(manifest: Manifest, bucket: Bucket) -> tuple[Artifact, ...]:
    """The first few; none where what lists them is foreign to the bucket. Raises StoreError."""
    try:
        with contextlib.closing(artifacts_of(bucket, manifest)) as artifacts:
            pages = (artifact for artifact in artifacts if _PAGES.match(artifact.name))
            return tuple(itertools.islice(pages, _PAGES_PER_RESULT))
    except (CorruptArtifactError, ManifestError, NotFoundError) as error:
        bucket.foreign.add(manifest_key(manifest.key), error)
        return ()


_Ranked = TypeVar("_Ranked", tuple[float, str], Sampled)


def _keep_largest(heap: list[_Ranked], entry: _Ranked, size: int) -> None:
    if len(heap) < size:
        heapq.heappush(heap, entry)
    else:
        heapq.heappushpop(heap, entry)


T = TypeVar("T")


def survey(
    job: str,
    *,
    bucket: Bucket,
    naming: Naming,
    progress: Progress = silent,
    home: Path | None = None,
) -> Survey:
    """Reads every manifest and failure record of the job once.

    Manifests that the job's index has are read from there. What is known of the index is kept below
    `home`, if one is given. Raises UnknownJobError where the bucket has nothing of it, and
    StoreError.
    """
    read = partial(_survey, job, bucket, naming, progress)
    deleted = readable_tombstones(bucket, job)
    return with_known(read, known_path(home, job=job, bucket=bucket, deleted=deleted))


def _survey(
    job: str,
    bucket: Bucket,
    naming: Naming,
    progress: Progress,
    known: KnownManifests,
) -> Survey:
    prefix = naming.prefix(job)
    seen = Survey(job=job, root=bucket.root)
    done = itertools.count(1)
    with FailedRequests.opened() as failed:
        # Where a prefix does not name the job, whose failure a record tells of is not known.
        if prefix != naming.prefix(f"{job}.other"):
            paths = listed_failures(bucket, prefix)
            records = bucket.in_threads(partial(read_failure, bucket), paths)
            for failure in filter(None, _counted(records, done, progress)):
                failed.add(_failed(failure, prefix=prefix))
        seen.account = take_account(bucket, job, failed)
        manifests = _manifests(job, bucket, prefix, known)
        for manifest in _counted(manifests, done, progress):
            if manifest is not None and manifest.job == job:
                failed.succeeded(manifest.key)
                seen.add(manifest)
                seen.consider(manifest, bucket=bucket)
        seen.failed, seen.canceled = failed.count(), failed.count(canceled=True)
        seen.recovered = failed.recovered
        seen.failures = failed.groups()
    seen.foreign, seen.problems = (
        len(bucket.foreign),
        [*itertools.islice(bucket.foreign, _PROBLEMS)],
    )
    if not (seen.results or seen.failed or seen.account):
        raise UnknownJobError(f"nothing of job {job!r} is in {bucket.root}")
    return seen


def _manifests(
    job: str, bucket: Bucket, prefix: str, known: KnownManifests
) -> Iterator[Manifest | None]:
    """From the index those that it has, the others by a call each."""
    index = IndexParts.of(bucket, job)
    try:
        contents, _ = catch_up(index, known)
    except (AccessDeniedError, DamagedIndexError):
        known.forget()
    else:
        for position, record in rows_after(index, Position(), columns=index_format.SUMMED_UP):
            if position.number >= contents.next:
                break
            yield index_format.brief(job, record)
    listed = new_manifests(bucket, prefix, known)
    yield from bucket.in_steps(map(partial(reading_listed, bucket), listed))


def _counted(records: Iterable[T], done: Iterator[int], progress: Progress) -> Iterator[T]:
    for record in records:
        progress(ProgressEvent(phase="read", done=next(done), total=0))
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
