"""What a report says of a job, summed up in constant memory."""

import hashlib
import heapq
import itertools
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from truss_outbox.contract import Artifact, Manifest

from ..bucket.records import UnreadableManifest
from ..text import in_utc
from .account import StoredAccount
from .failed import Group
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

    `sample` is the same for the same bucket, and spread over the whole job. `problems` are the
    first of the `unreadable` manifests.
    """

    job: str
    root: str
    results: int = 0
    unreadable: int = 0
    problems: list[UnreadableManifest] = field(default_factory=list)
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
    failures: list[Group] = field(default_factory=list)
    recovered: int = 0
    account: StoredAccount | None = None

    def add(self, manifest: Manifest) -> None:
        self.results += 1
        self.artifacts += len(manifest.artifacts)
        self.artifacts_bytes += sum(artifact.size for artifact in manifest.artifacts)
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
        if sampled := _sampled(manifest):
            _keep_largest(self.sample, sampled, _SAMPLE)

    def add_unreadable(self, manifest: UnreadableManifest) -> None:
        self.unreadable += 1
        if len(self.problems) < _PROBLEMS:
            self.problems.append(manifest)


T = TypeVar("T", tuple[float, str], Sampled)


def _sampled(manifest: Manifest) -> Sampled | None:
    pages = (artifact for artifact in manifest.artifacts if _PAGES.match(artifact.name))
    digest = hashlib.sha256(manifest.key.encode()).digest()
    some = tuple(itertools.islice(pages, _PAGES_PER_RESULT))
    # As good as random, so spread over the job, and the same on every run.
    rank = int.from_bytes(digest[:8])
    return (
        Sampled(
            rank=rank, key=manifest.key, item=manifest.item, attempt=manifest.attempt, pages=some
        )
        if some
        else None
    )


def _keep_largest(heap: list[T], entry: T, size: int) -> None:
    if len(heap) < size:
        heapq.heappush(heap, entry)
    else:
        heapq.heappushpop(heap, entry)
