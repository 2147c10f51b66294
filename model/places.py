"""The stores a deployment works with, opened from its settings."""

from collections.abc import Mapping

from model import metrics
from model.artifacts import ObjectStore, open_store
from model.artifacts.stores import RetryingStore
from model.gcs_settings import gcs_options
from model.s3_settings import s3_options
from model.settings import Settings


def open_place(root: str, settings: Settings, secrets: Mapping[str, str]) -> ObjectStore:
    """Raises ConfigurationError. Nothing is sent to the store yet."""
    return open_store(root, s3=s3_options(settings, secrets), gcs=gcs_options(settings, secrets))


def patient(store: ObjectStore, settings: Settings) -> RetryingStore:
    """The store, whose calls are repeated for as long as the settings say."""
    return RetryingStore(
        store,
        timeout_seconds=settings.store_timeout_seconds,
        on_retry=metrics.STORE_RETRIES.inc,
    )
