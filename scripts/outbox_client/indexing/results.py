"""A job's results one after the other, from where one left off."""

import itertools
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Unpack

from truss_outbox.contract import KeyTemplate, Manifest
from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.keys import DEFAULT_TEMPLATE

from ..bucket.naming import Naming
from ..bucket.open_bucket import Connection, open_bucket
from . import format as index_format
from .build import index
from .parts import IndexParts, Part

logger = logging.getLogger(__name__)

_CURSOR = re.compile(r"(\d{1,8})\.([0-9a-f]{8})\.(\d{1,9})\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """A committed result, and the cursor that continues after it.

    The manifest has the fields that this version knows.
    """

    manifest: Manifest
    cursor: str


def results(
    root: str,
    job: str,
    *,
    since: str | None = None,
    refresh: bool = True,
    key_template: str = DEFAULT_TEMPLATE,
    **connection: Unpack[Connection],
) -> Iterator[Result]:
    """Every result of the job that was committed by now, after the cursor `since`.

    They come in the order of the job's index: as they were found, and by key among those found at
    once. A result keeps its place, and one committed late has its place after all that were found
    before, so that none is skipped and none comes twice. Store a result's cursor in one transaction
    with what you made of it, and each is handled exactly once; afterwards, and at least once.

    With `refresh` the index is brought up to date first, which needs the right to create below
    `index/`; without it, results come that somebody else has indexed. What is in the bucket and not
    Outbox's is passed over, and named in the log. Raises InvalidInputError for a cursor of another
    index, StoreError, and ConfigurationError.
    """
    # Before the index is touched: a wrong cursor costs nothing.
    start = _Position.parse(since)
    bucket = open_bucket(root, **connection)
    if refresh:
        index(job, bucket=bucket, naming=Naming(template=KeyTemplate.parse(key_template)))
    index_parts = IndexParts(bucket, job=job)
    parts = index_parts.parts()
    for one in bucket.foreign:
        logger.warning("passed over: %s: %s", one.key, one.problem)
    yield from _read(job, index_parts, parts, start)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Position:
    """After `row` rows of a part, which its `part_id` tells from those of other indexes."""

    number: int = 0
    part_id: str = ""
    row: int = 0

    @classmethod
    def parse(cls, cursor: str | None) -> "_Position":
        if cursor is None:
            return cls()
        match = _CURSOR.match(cursor)
        if match is None:
            raise InvalidInputError("since", "must be the cursor of a result")
        return cls(number=int(match[1]), part_id=match[2], row=int(match[3]))

    def __str__(self) -> str:
        return f"{self.number}.{self.part_id}.{self.row}"


def _read(
    job: str, index_parts: IndexParts, parts: Sequence[Part], start: _Position
) -> Iterator[Result]:
    if start.part_id:
        _check(start, parts, index_parts)
    for part in parts[start.number :]:
        part_id = index_parts.identity(part)
        skip = start.row if part.number == start.number else 0
        rows = itertools.islice(index_parts.rows(part), skip, None)
        for row, record in enumerate(rows, start=skip + 1):
            here = _Position(number=part.number, part_id=part_id, row=row)
            yield Result(manifest=index_format.manifest(job, record), cursor=str(here))


def _check(start: _Position, parts: Sequence[Part], index_parts: IndexParts) -> None:
    if start.number < len(parts) and index_parts.identity(parts[start.number]) == start.part_id:
        return
    raise InvalidInputError(
        "since",
        "the cursor is not of this job's index, which may have been made anew: start without",
    )
