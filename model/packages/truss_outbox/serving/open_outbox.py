"""From a deployment's settings to its Outbox: for a Truss's `load`, and for a Chainlet."""

from collections.abc import Mapping

from ..contract import KeyTemplate, ModelInfo
from ..stores import ObjectStore, RetryingStore, open_store
from ..stores.probing import probe
from . import metrics
from .files.download import Downloader
from .outbox import Inference, Outbox
from .request import InferenceRequest
from .settings.gcs import gcs_options
from .settings.s3 import s3_options
from .settings.settings import Settings
from .uploads import BoundedExecutor


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


def open_outbox(
    settings: Settings,
    secrets: Mapping[str, str],
    *,
    model: ModelInfo,
    inference: Inference,
    request_type: type[InferenceRequest],
) -> Outbox:
    """Probes the bucket first. Raises ConfigurationError and StoreError."""
    bucket = open_place(settings.root, settings, secrets)
    further = (open_place(root, settings, secrets) for root in settings.input_roots)
    safe = probe(bucket, allow_unsafe_commit=settings.allow_unsafe_commit)
    return Outbox(
        store=patient(bucket, settings),
        input_stores=tuple(patient(place, settings) for place in further),
        template=KeyTemplate.parse(settings.key_template),
        model=model,
        inference=inference,
        request_type=request_type,
        uploads=BoundedExecutor(settings.max_pending_results),
        max_document_bytes=settings.max_document_bytes,
        downloader=Downloader(
            hosts=settings.url_hosts, timeout_seconds=settings.url_timeout_seconds
        ),
        unsafe_commit=not safe,
    )
