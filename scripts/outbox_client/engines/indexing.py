"""Bringing a job's index up to date by many workers, each with a range of its own."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from truss_outbox.contract.errors import OutboxError, StoreError

from ..bucket.bucket import Bucket
from ..bucket.foreign import Foreign
from ..bucket.listed import StoredObject
from ..bucket.records import only_manifests
from ..indexing.build import PART_ROWS, IndexReport, Row, Unfit, index_found, read_row
from ..indexing.known import KnownManifests
from ..settings import state_directory
from .ranges import KeyRange

T = TypeVar("T")
R = TypeVar("R")

RANGES_PER_WORKER = 4
"""Some are slower than others, and one that is killed is begun anew."""


class WorkerEngine(Protocol):
    """Runs a function of many workers' machines, on each of which this package is installed."""

    workers: int

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """What it returns of each, as it comes. It may be called twice of one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RangeReport:
    """What a worker found in its range."""

    index: IndexReport
    foreign: tuple[Foreign, ...] = ()
    error: str | None = None
    """Why it could not go on, which no repetition mends."""


def index_range(one: KeyRange, *, part_rows: int = PART_ROWS) -> RangeReport:
    """Add the range's results that the index lacks, as `index` does for a whole job.

    For a worker, of any engine: parts are created once and whole, under the next number, and what
    others added first is left out. So it may be killed and called again, by two at once too, and
    each result is in the index once. What is read of the index is kept where commands on the
    worker's machine keep it. Raises StoreError, DamagedIndexError among them.
    """
    bucket = one.bucket()
    report = index_found(
        one.job,
        partial(_found, one, bucket),
        bucket=bucket,
        home=state_directory(os.environ),
        part_rows=part_rows,
    )
    return RangeReport(index=report, foreign=tuple(bucket.foreign))


def _found(one: KeyRange, bucket: Bucket, known: KnownManifests) -> Iterator[Row | Unfit | None]:
    def new() -> Iterator[StoredObject]:
        for page in one.pages(bucket):
            unknown = known.unknown(page.keys)
            yield from page.only(place for place, path in enumerate(page.keys) if path in unknown)

    return bucket.in_steps(map(partial(read_row, bucket, one.job), only_manifests(bucket, new())))


def index_by(
    engine: WorkerEngine, job: str, some: Iterable[KeyRange], *, bucket: Bucket
) -> IndexReport:
    """As `index`, by the engine's workers. `some` are the job's ranges.

    Killed and run again, or run by two at once, it costs what was under way. Raises StoreError, and
    what the engine raises where no worker is left.
    """
    before = _merged(job, bucket)
    report = IndexReport(job=job, known=before.known)
    for done in engine.map(_told, list(some)):
        if done.error is not None:
            raise StoreError(f"index of {job}", f"a worker was refused: {done.error}")
        report.added += done.index.added
        report.parts += done.index.parts
        report.problems += done.index.problems
        for foreign in done.foreign:
            bucket.foreign.add(foreign.key, foreign.problem)
    _merged(job, bucket)
    return report


def _told(one: KeyRange) -> RangeReport:
    """As `index_range`, with its error as a value: engines tell the driver of one in ways of their
    own, after trying again."""
    try:
        return index_range(one)
    except OutboxError as error:
        return RangeReport(index=IndexReport(job=one.job), error=str(error))


def _merged(job: str, bucket: Bucket) -> IndexReport:
    """The index as it is, its small parts merged."""
    return index_found(job, lambda _: (), bucket=bucket, home=state_directory(os.environ))
