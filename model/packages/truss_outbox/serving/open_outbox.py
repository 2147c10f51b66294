"""From a deployment's settings to its Outbox: for a Truss's `load`, and for a Chainlet."""

from collections.abc import Mapping

from ..contract import ModelInfo
from ..contract.root import Root
from ..stores import ObjectStore, RetryingStore, open_store
from ..stores.probing import probe
from . import metrics
from .files.download import Downloader
from .outbox import BoundedExecutor, Inference, Outbox
from .request import InferenceRequest
from .settings import OutboxSettings, gcs_options, s3_options


def open_outbox(
    settings: OutboxSettings,
    secrets: Mapping[str, str],
    *,
    model: ModelInfo,
    inference: Inference,
    request_type: type[InferenceRequest],
) -> Outbox:
    """Probes the bucket first. Raises ConfigurationError and StoreError."""
    bucket = _open(settings.root, settings, secrets)
    input_stores = [_open(root, settings, secrets) for root in settings.input_roots]
    # Before anything is repeated patiently: a wrong setting is to be told within seconds.
    is_safe = probe(bucket, allow_unsafe_commit=settings.allow_unsafe_commit)
    return Outbox(
        store=_retrying(bucket, settings),
        input_stores=tuple(_retrying(store, settings) for store in input_stores),
        template=settings.key_template,
        model=model,
        inference=inference,
        request_type=request_type,
        uploads=BoundedExecutor(settings.max_pending_results),
        max_document_bytes=settings.max_document_bytes,
        downloader=Downloader(
            hosts=settings.url_hosts, timeout_seconds=settings.url_timeout_seconds
        ),
        unsafe_commit=not is_safe,
    )


def _open(root: Root, settings: OutboxSettings, secrets: Mapping[str, str]) -> ObjectStore:
    return open_store(root, s3=s3_options(settings, secrets), gcs=gcs_options(settings, secrets))


def _retrying(store: ObjectStore, settings: OutboxSettings) -> RetryingStore:
    return RetryingStore(
        store,
        timeout_seconds=settings.store_timeout_seconds,
        on_retry=metrics.STORE_RETRIES.inc,
    )
