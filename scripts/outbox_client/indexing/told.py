"""Adding what a queue tells of to the indexes: nothing is listed, whatever the job's size."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from ..bucket.bucket import Bucket
from ..bucket.records import is_manifest_path, read_told
from ..queues.held import HeldMessages
from ..queues.protocol import MessageQueue, open_queue
from ..queues.told import Listener, Told
from .build import IndexReport, Row, Unfit, index_found, row_of
from .known import KnownManifests

_AT_ONCE = 2_000
"""Of results that are held in memory; and of messages, which may be out at a time: SQS takes
120,000, Pub/Sub more."""


def index_told(
    queue: str | MessageQueue, *, bucket: Bucket, home: Path | None = None
) -> Iterator[IndexReport]:
    """Add the results that the queue tells of by now, each to the index of its own job.

    A message is acknowledged once its results are in an index: whoever is killed before leaves it
    to the next, and each result is in the index once. A report comes for each job that messages
    were about, again where there were very many. Raises StoreError, DamagedIndexError among them,
    and ConfigurationError.
    """
    if isinstance(queue, str):
        with open_queue(queue) as opened:
            yield from index_told(opened, bucket=bucket, home=home)
        return
    with HeldMessages(queue) as held:
        listener = Listener(held, bucket)
        is_over = False
        while not is_over:
            told, is_over = _some(listener)
            paths = dict.fromkeys(path for one in told for path in one.paths)
            rows = _rows_by_job(bucket, filter(is_manifest_path, paths))
            for job, found in rows.items():
                yield index_found(job, partial(_same, found), bucket=bucket, home=home)
            listener.acknowledge(told)


def _some(listener: Listener) -> tuple[list[Told], bool]:
    """Until there are enough, or no more; and whether no more came, which takes time to tell."""
    some: list[Told] = []
    while len(some) < _AT_ONCE:
        told = listener.receive(wait_seconds=0)
        if told is None:
            return some, True
        some += told
    return some, False


def _rows_by_job(bucket: Bucket, paths: Iterable[str]) -> dict[str, list[Row | Unfit]]:
    rows = defaultdict[str, list[Row | Unfit]](list)
    for read in bucket.in_threads(partial(read_told, bucket), paths):
        if read is not None:
            manifest, data = read
            rows[manifest.job].append(row_of(manifest, size=len(data)))
    return rows


def _same(rows: list[Row | Unfit], _known: KnownManifests) -> list[Row | Unfit]:
    """They are not asked about before: an index leaves out what it has."""
    return rows
