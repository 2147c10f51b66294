"""Results one after the other, of one job or of all, from where one left off."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Unpack

from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.keys import DEFAULT_TEMPLATE, KeyTemplate, short_segment
from truss_outbox.contract.manifest import Manifest

from ..bucket.bucket import Bucket
from ..bucket.naming import Naming
from ..bucket.open_bucket import Connection, open_bucket
from ..settings import state_directory
from ..threads import in_threads
from . import format as index_format
from .build import index
from .jobs import jobs_there
from .parts import IndexParts
from .position import Position, rows_after
from .told import index_told

logger = logging.getLogger(__name__)

_JOBS_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """A committed result, and the cursor that continues after it.

    The manifest has the fields that this version knows.
    """

    manifest: Manifest
    cursor: str


def results(
    root: str,
    job: str | None = None,
    *,
    since: str | None = None,
    refresh: bool = True,
    queue: str | None = None,
    key_template: str = DEFAULT_TEMPLATE,
    home: Path | None = None,
    **connection: Unpack[Connection],
) -> Iterator[Result]:
    """Every result of the job that was committed by now, after the cursor `since`.

    They come in the order of the job's index: as they were found, and by key among those found at
    once. A result keeps its place, and one committed late has its place after all that were found
    before, so that none is skipped and none comes twice. Store a result's cursor in one transaction
    with what you made of it, and each is handled exactly once; afterwards, and at least once.

    Without a `job`, those of all jobs below the root, one job after the other; the cursor has a
    place in each, and a new job is begun by itself. Jobs that nobody has indexed yet are found
    where keys begin with a folder for each job, as they do by default.

    With `refresh` the index is brought up to date first, which needs the right to create below
    `index/`; without it, results come that somebody else has indexed. It takes what is new from a
    `queue` of the bucket's events, where one is named as in `events`, and lists nothing: then a
    result comes once the queue has told of it. What this machine knows of
    the index is kept below `home`, by default where the commands keep it. What is in the bucket and
    not Outbox's is passed over, and named in the log. Raises InvalidInputError for a cursor of
    another index, StoreError, and ConfigurationError.
    """
    # Before the index is touched: a wrong cursor costs nothing.
    positions = _parsed(since, is_of_one_job=job is not None)
    bucket = open_bucket(root, **connection)
    naming = Naming(template=KeyTemplate.parse(key_template))
    place = home or state_directory(os.environ)
    if queue is not None:
        for _ in index_told(queue, bucket=bucket, home=place):
            pass
    jobs = jobs_there(bucket, naming.template) if job is None else {short_segment(job): job}
    if refresh and queue is None:
        refreshed = partial(index, bucket=bucket, naming=naming, home=place)
        for _ in in_threads(refreshed, jobs.values(), workers=min(_JOBS_AT_ONCE, len(jobs) or 1)):
            pass
    for one in bucket.foreign:
        logger.warning("passed over: %s: %s", one.key, one.problem)
    if job is not None:
        yield from _of_one(bucket, job, positions.get("", Position()))
    else:
        yield from _of_all(bucket, jobs, positions)


def _of_one(bucket: Bucket, job: str, start: Position) -> Iterator[Result]:
    for position, record in rows_after(IndexParts.of(bucket, job), start):
        yield Result(manifest=index_format.manifest(job, record), cursor=str(position))


def _of_all(
    bucket: Bucket, jobs: dict[str, str], positions: dict[str, Position]
) -> Iterator[Result]:
    for folder, job in sorted(jobs.items()):
        others = {name: place for name, place in positions.items() if name != folder}
        before = "".join(f"{name}:{place};" for name, place in others.items())
        try:
            for result in _of_one(bucket, job, positions.get(folder, Position())):
                yield Result(manifest=result.manifest, cursor=f"{before}{folder}:{result.cursor}")
                positions[folder] = Position.parse(result.cursor)
        except InvalidInputError as error:
            # A job may be gone, with its index.
            if IndexParts.of(bucket, job).read().parts:
                raise InvalidInputError(
                    "since",
                    f"its place in job {job!r} is not of that job's index, which may have been made"
                    f" anew: without {folder}:{positions[folder]} it begins that job again",
                ) from error


def _parsed(since: str | None, *, is_of_one_job: bool) -> dict[str, Position]:
    """By the folder of the job's index; of one job alone, by an empty name."""
    if since is None:
        return {}
    if is_of_one_job:
        return {"": Position.parse(since)}
    named = [one.rpartition(":") for one in since.split(";")]
    if not all(folder for folder, _, _ in named):
        raise InvalidInputError("since", "must be the cursor of a result of all jobs")
    return {folder: Position.parse(place) for folder, _, place in named}
