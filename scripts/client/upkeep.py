"""Looking after the bucket: what `sweep` and `presign` do with settings."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from model.artifacts.errors import ConfigurationError, InvalidInputError
from scripts.client import opening
from scripts.client.credential_life import LONGEST_LINK, credential_life
from scripts.client.presigning import Link
from scripts.client.presigning import presign as presign_job
from scripts.client.settings import Settings
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
    match urlsplit(settings.require_root()).scheme:
        case "s3":
            # Asked for before the bucket is opened: what signs was fetched later, and lives longer.
            credential_life(settings.region).check(life, now=now)
        case _ if life > LONGEST_LINK:
            raise ConfigurationError("expires", "a signed link lives 7 days at most")
    return presign_job(
        job, items, bucket=opening.bucket(settings), naming=opening.naming(settings), life=life
    )
