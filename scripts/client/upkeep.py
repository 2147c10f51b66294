"""Looking after the bucket: what `sweep` and `presign` do with settings."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from model.artifacts.errors import InvalidInputError
from scripts.client import opening
from scripts.client.presigning import Link
from scripts.client.presigning import presign as presign_job
from scripts.client.settings import Settings
from scripts.client.signing import signer
from scripts.client.sweeping import Kept, Orphan, sweep_attempts, sweep_probes
from scripts.client.unfinished import UnfinishedUpload, open_uploads

LEAST_GRACE = timedelta(hours=2)
"""A run may take an hour on Baseten, and its result may wait for the bucket after that."""


def sweep(
    settings: Settings, *, grace: timedelta, delete: bool, now: datetime
) -> Iterator[Orphan | Kept | UnfinishedUpload]:
    """Raises InvalidInputError for a grace that would take attempts under way, and StoreError."""
    if delete and grace < LEAST_GRACE:
        raise InvalidInputError(
            "--older-than", "must be 2h or more to delete: younger attempts may be under way"
        )
    before = now - grace
    bucket = opening.bucket(settings)
    yield from sweep_attempts(bucket, before=before, delete=delete)
    yield from sweep_probes(bucket, before=before, delete=delete)
    uploads = open_uploads(
        settings.require_root(), endpoint_url=settings.endpoint_url, region=settings.region
    )
    if uploads is not None:
        yield from uploads.sweep(before=before, delete=delete)


def presign(
    settings: Settings, job: str, items: Sequence[str], *, life: timedelta, now: datetime
) -> list[Link]:
    """Raises ConfigurationError where links of this life cannot be, and what `presign` raises."""
    bucket = opening.bucket(settings)
    sign = signer(settings.require_root(), bucket, region=settings.region, life=life, now=now)
    return presign_job(job, items, bucket=bucket, naming=opening.naming(settings), sign=sign)
