"""From a deployment's settings to its Outbox: for a Truss's `load`, and for a Chainlet."""

from collections.abc import Mapping

from model.artifacts import KeyTemplate, ModelInfo
from model.artifacts.probing import probe
from model.downloads import Downloader
from model.outbox import Inference, Outbox
from model.places import open_place, patient
from model.request import InferenceRequest
from model.settings import Settings
from model.uploads import BoundedExecutor


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
