"""A request's way to a committed result, in the three steps Truss calls."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

from pydantic import JsonValue, ValidationError

from ..contract import KeyTemplate, Manifest, ModelInfo, Outputs, fingerprint, input_digest
from ..contract.errors import KeyConflictError, OutputsError
from ..contract.keys import manifest_key
from ..stores import ObjectStore
from ..stores.commit import commit, find_manifest, upload_artifacts
from . import metrics
from .failures import FailureRecorder
from .files.download import Downloader
from .files.place import place_document
from .request import DOCUMENT, InferenceRequest, identify, parse_request
from .work import Attempt, Execution

P = ParamSpec("P")
T = TypeVar("T")


class BoundedExecutor:
    """A thread pool whose `submit` waits while `limit` calls are unfinished."""

    def __init__(self, limit: int) -> None:
        self._free = threading.BoundedSemaphore(limit)
        self._pool = ThreadPoolExecutor(limit, thread_name_prefix="outbox-upload")

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        # Waits in the predict slot: Truss begins no further request, and the disk does not fill up.
        self._free.acquire()
        metrics.PENDING_RESULTS.inc()
        try:
            future = self._pool.submit(function, *args, **kwargs)
        except RuntimeError:  # The interpreter is shutting down.
            self._finished()
            raise
        future.add_done_callback(lambda _: self._finished())
        return future

    def _finished(self) -> None:
        metrics.PENDING_RESULTS.dec()
        self._free.release()


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

    def prepare(self, model_input: Any, *, request_id: str | None) -> Execution | Manifest:
        """The execution to run, or the manifest where the result is committed already.

        `request_id` is the header x-baseten-request-id; None where there is none.
        """
        identity = identify(model_input, request_id, template=self.template, model=self.model)
        attempt = Attempt(key=identity.key, request_id=identity.request_id)
        with self._answering(attempt), attempt.timed("preprocess"):
            request = parse_request(self.request_type, model_input, identity)
            # Before the document is brought: a repeated request costs one read of the bucket.
            wanted = fingerprint(input_digest(model_input), model_version=self.model.version)
            committed = find_manifest(self.store, attempt.key)
            if committed is not None:
                return _same_input(committed, wanted)
            execution = Execution(attempt=attempt, request=request, fingerprint=wanted)
            self._place_document(execution)
            return execution

    def run(self, execution: Execution) -> "Future[Manifest]":
        """Run the inference. What is returned is being stored, whether or not anyone waits."""
        # From here on the work is paid for: it is stored even if nobody waits for it any more.
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
        if not isinstance(outputs, Outputs):
            raise OutputsError(f"run returned {type(outputs).__name__}: return Outputs")
        metadata, attempt = execution.request.metadata, execution.attempt
        try:
            return Manifest(
                key=attempt.key,
                request_id=attempt.request_id,
                job=metadata.job,
                item=attempt.request_id if metadata.item is None else metadata.item,
                labels=dict(metadata.labels),
                attempt=attempt.name,
                fingerprint=execution.fingerprint,
                model=self.model,
                created_at=datetime.now(UTC),
                result=outputs.result,
                artifacts=[],
                unsafe_commit=self.unsafe_commit,
            )
        except ValidationError:
            # All else was checked before. The error itself would quote the result.
            raise OutputsError("the result is not JSON: return what json.dumps takes") from None

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


def _same_input(committed: Manifest, wanted: str) -> Manifest:
    """A result under this key may belong to a different input: fingerprints tell."""
    if committed.fingerprint != wanted:
        raise KeyConflictError(committed.key, request_id=committed.request_id)
    metrics.INFERENCES_SKIPPED.inc()
    return committed


def _counted(attempt: Attempt, committed: Manifest) -> Manifest:
    if committed.attempt == attempt.name:
        metrics.RESULTS_STORED.inc()
        metrics.ARTIFACT_BYTES.inc(sum(artifact.size for artifact in committed.artifacts))
    else:
        metrics.RACES_LOST.inc()
    return committed
