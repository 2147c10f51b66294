"""Deleting a job's results, or some of them, and all that belongs to them.

The order is the reverse of the one in which a result comes to be, so that a reader in between sees
it whole or not at all: it is written down that it does not count (a tombstone); its manifest goes;
then its artifacts and failure records; then its rows in the index, which no reader of it has given
since the first step; then inputs that nobody else names, what was told of its request, and the
job's account. Each step goes by what is written down, not by what the step before has seen: a
deletion that is killed is finished by the next one.
"""

import contextlib
from datetime import datetime

from ..bucket.bucket import Bucket
from ..bucket.listed import StoredObject
from ..bucket.naming import Naming
from ..bucket.records import account_key, problems_key
from ..bucket.tombstones import read_tombstones
from ..errors import DamagedIndexError
from ..indexing.parts import IndexParts
from ..indexing.purging import count_rows, purge
from .deletion import WHOLE_JOB, Deletion, Remover, Scope
from .results import DeletedResults
from .sent import Sent


def delete(
    job: str,
    *,
    bucket: Bucket,
    naming: Naming,
    selection: Scope = WHOLE_JOB,
    is_dry: bool = True,
    deletion: Deletion | None = None,
    now: datetime | None = None,
) -> Deletion:
    """What has gone; in a dry run, what would go. Where nothing is selected, the job does.

    May be killed and run again at any time: then it goes on, and counts what it still finds. What a
    request that is under way commits later is a result as any other: delete again. `now` is by the
    bucket's clock, which is asked where it is None. `deletion` is filled while it goes on, for who
    wants to know what has gone when it raises StoreError, DamagedIndexError among them.
    """
    now = now or bucket.time()
    deletion = deletion or Deletion(
        job=job, is_whole_job=selection.is_whole_job, is_deleted=not is_dry
    )
    results = DeletedResults(bucket, naming, selection, deletion=deletion, now=now)
    sent = Sent(bucket, selection, deletion=deletion, now=now)
    results.decide(sent.keys_of_selected() if results.needs_keys else ())
    results.remove_left()
    results.remove_artifacts()
    results.remove_failures()
    _remove_rows(bucket, deletion)
    sent.remove()
    if deletion.is_whole_job or deletion.tombstones.keys:
        _remove_account(bucket, deletion, now)
    return deletion


def _remove_rows(bucket: Bucket, deletion: Deletion) -> None:
    index = IndexParts.of(bucket, deletion.job)
    if not deletion.is_whole_job:
        if deletion.is_deleted:
            find = lambda: read_tombstones(bucket, deletion.job)  # noqa: E731
            deletion.index_rows += purge(index, job=deletion.job, find_deleted=find)
        else:
            deletion.index_rows += count_rows(index, deletion.tombstones)
        return
    with contextlib.suppress(DamagedIndexError):  # it goes all the same
        for part in index.read().parts:
            deletion.index_rows += sum(piece.left for piece in index.pieces(part))
    # The last first: without those before it, a part is a damaged index.
    remover = Remover(bucket=bucket, deletion=deletion)
    for found in sorted(bucket.objects(index.prefix), key=lambda one: one.key, reverse=True):
        remover.remove([found])


def _remove_account(bucket: Bucket, deletion: Deletion, now: datetime) -> None:
    """It is derived: `wait` writes it anew."""
    remover = Remover(bucket=bucket, deletion=deletion)
    for key in (account_key(deletion.job), problems_key(deletion.job)):
        if bucket.exists(key):
            count, _ = remover.remove([StoredObject(key=key, size=0, modified_at=now)])
            deletion.accounts += count
