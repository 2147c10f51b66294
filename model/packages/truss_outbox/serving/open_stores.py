"""Opening the buckets of a deployment, when its model loads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from ..contract.errors import OutboxError
from ..contract.root import Root
from ..stores import ObjectStore, RetryingStore, open_store
from ..stores.probing import UnsafeStore, probe
from . import metrics
from .settings import OutboxSettings, gcs_options, s3_options


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenStores:
    """The results' bucket, and those of the inputs; each repeats what fails for a while."""

    bucket: ObjectStore
    inputs: tuple[ObjectStore, ...]
    is_safe: bool
    """Whether the bucket keeps two from committing one key."""

    @classmethod
    def of(cls, settings: OutboxSettings, secrets: Mapping[str, str]) -> Self:
        """Opens them and tries out the results' bucket. Raises ConfigurationError, StoreError."""
        try:
            bucket = _open(settings.root, settings, secrets)
            inputs = [_open(root, settings, secrets) for root in settings.input_roots]
            # Before anything is repeated patiently: a wrong setting is to be told within seconds.
            is_safe = probe(bucket, allow_unsafe_commit=settings.allow_unsafe_commit)
        except OutboxError as error:
            # Truss logs it with all the causes, and what a bucket answered may quote what it was
            # sent. Our own errors say all that is needed.
            raise error from None
        return cls(
            bucket=_retrying(bucket if is_safe else UnsafeStore(bucket), settings),
            inputs=tuple(_retrying(store, settings) for store in inputs),
            is_safe=is_safe,
        )


def _open(root: Root, settings: OutboxSettings, secrets: Mapping[str, str]) -> ObjectStore:
    return open_store(root, s3=s3_options(settings, secrets), gcs=gcs_options(settings, secrets))


def _retrying(store: ObjectStore, settings: OutboxSettings) -> RetryingStore:
    return RetryingStore(
        store,
        timeout_seconds=settings.store_timeout_seconds,
        on_retry=metrics.STORE_RETRIES.inc,
    )
