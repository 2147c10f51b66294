"""A request's way to a committed result, in the three steps Truss calls."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic import JsonValue, ValidationError

from ..contract import (
    KeyFields,
    KeyTemplate,
    Manifest,
    ModelInfo,
    Outputs,
    RequestMetadata,
    fingerprint,
    input_digest,
)
from ..contract.errors import InvalidInputError, KeyConflictError
from ..contract.keys import escape, manifest_key
from ..stores import ObjectStore
from ..stores.commit import commit, find_manifest, upload_artifacts
from . import metrics
from .failures import FailureRecorder
from .files.download import Downloader
from .files.place import place_document
from .request import DOCUMENT, InferenceRequest, parse_request
from .uploads import BoundedExecutor
from .work import Attempt, Execution


class Inference(Protocol):
    """What `model.inference.load` returns."""

    def run(self, request: Any, work_directory: Path) -> Outputs:
        """Raises InvalidInputError for input that can never work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outbox:
    """Every step raises the HTTPException to answer with, once its failure is on record."""

    store: ObjectStore
    template: KeyTemplate
    model: ModelInfo
    inference: Inference
    request_type: type[InferenceRequest]
    uploads: BoundedExecutor
    max_document_bytes: int
    downloader: Downloader = field(default_factory=Downloader)
    input_stores: tuple[ObjectStore, ...] = ()
    unsafe_commit: bool = False

    def prepare(self, model_input: Any, *, request_id: str) -> Execution | Manifest:
        """The execution to run, or the manifest where the result is committed already."""
        attempt = Attempt(key=self._likely_key(model_input, request_id), request_id=request_id)
        with self._answering(attempt), attempt.timed("preprocess"):
            request = parse_request(self.request_type, model_input)
            self.template.render(self._fields(request.metadata, request_id))
            wanted = fingerprint(input_digest(model_input), model_version=self.model.version)
            standing = find_manifest(self.store, attempt.key)
            if standing is not None:
                return _answered_by(standing, wanted)
            execution = Execution(attempt=attempt, request=request, fingerprint=wanted)
            self._place_document(execution)
            return execution

    def run(self, execution: Execution) -> "Future[Manifest]":
        """Run the inference; the result is being stored, whoever waits for it, on return."""
        try:
            with self._answering(execution.attempt), execution.attempt.timed("predict"):
                outputs = self.inference.run(execution.request, execution.work_directory)
        except BaseException:
            execution.close()
            raise
        return self.uploads.submit(self._store, execution, outputs)

    def pointer(self, manifest: Manifest) -> dict[str, JsonValue]:
        """The small answer to a caller or a webhook: where the result is."""
        return {
            "request_id": manifest.request_id,
            "key": manifest.key,
            "manifest": f"{self.store.root}/{manifest_key(manifest.key)}",
            "artifacts": [artifact.model_dump(mode="json") for artifact in manifest.artifacts],
            "result": manifest.result,
        }

    def _store(self, execution: Execution, outputs: Outputs) -> Manifest:
        attempt = execution.attempt
        try:
            with self._answering(attempt), metrics.UPLOAD_SECONDS.time():
                manifest = self._manifest(execution, outputs)
                with attempt.timed("upload"):
                    artifacts = upload_artifacts(
                        self.store, outputs.files, key=attempt.key, attempt=attempt.name
                    )
                update = {"artifacts": artifacts, "timings_ms": attempt.timings}
                return _counted(attempt, commit(self.store, manifest.model_copy(update=update)))
        finally:
            execution.close()

    def _manifest(self, execution: Execution, outputs: Outputs) -> Manifest:
        metadata = execution.request.metadata
        request_id = execution.attempt.request_id
        return Manifest(
            key=execution.attempt.key,
            request_id=request_id,
            job=metadata.job,
            item=request_id if metadata.item is None else metadata.item,
            labels=dict(metadata.labels),
            attempt=execution.attempt.name,
            fingerprint=execution.fingerprint,
            model=self.model,
            created_at=datetime.now(UTC),
            result=outputs.result,
            artifacts=[],
            unsafe_commit=self.unsafe_commit,
        )

    def _place_document(self, execution: Execution) -> None:
        if execution.request.document is None:
            return
        try:
            place_document(
                execution.request.document,
                execution.work_directory / DOCUMENT,
                store=self.store,
                downloader=self.downloader,
                max_bytes=self.max_document_bytes,
                input_stores=self.input_stores,
            )
        except BaseException:
            execution.close()
            raise

    @contextmanager
    def _answering(self, attempt: Attempt) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes on record
            recorder = FailureRecorder(store=self.store, model=self.model)
            raise recorder.answer(error, attempt) from None

    def _fields(self, metadata: RequestMetadata, request_id: str) -> KeyFields:
        return KeyFields(
            metadata=metadata,
            request_id=request_id,
            model=self.model.name,
            environment=self.model.environment,
        )

    def _likely_key(self, model_input: Any, request_id: str) -> str:
        """The request's key, or, where it has none, a place among its job's for the failure."""
        metadata = model_input.get("metadata", {}) if isinstance(model_input, dict) else {}
        try:
            parsed = RequestMetadata.model_validate(metadata)
            return self.template.render(self._fields(parsed, request_id))
        except (ValidationError, InvalidInputError):
            job = metadata.get("job") if isinstance(metadata, dict) else None
            return self._fallback_key(job, request_id)

    def _fallback_key(self, job: Any, request_id: str) -> str:
        try:
            prefix = self.template.job_prefix(RequestMetadata.model_validate({"job": job}).job)
        except ValidationError:
            prefix = ""
        prefix = prefix if 0 < len(prefix) <= 250 else self.template.job_prefix("adhoc")
        return prefix + escape(request_id)[:250]


def _answered_by(standing: Manifest, wanted: str) -> Manifest:
    if standing.fingerprint != wanted:
        raise KeyConflictError(standing.key, request_id=standing.request_id)
    metrics.INFERENCES_SKIPPED.inc()
    return standing


def _counted(attempt: Attempt, committed: Manifest) -> Manifest:
    if committed.attempt == attempt.name:
        metrics.RESULTS_STORED.inc()
        metrics.ARTIFACT_BYTES.inc(sum(artifact.size for artifact in committed.artifacts))
    else:
        metrics.RACES_LOST.inc()
    return committed
