"""Storing beside the inference: at most so many results at a time, whether or not anyone waits."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

from anyio import to_thread
from pydantic import JsonValue

from ..contract.manifest import Manifest
from ..stores import ObjectStore
from ..stores.commit import commit
from ..stores.upload import UploadThreads, upload_artifacts
from . import metrics
from .failures import FailureRecorder
from .results import Finished
from .work import Attempt, Work

P = ParamSpec("P")
T = TypeVar("T")


class ResultStorage:
    """Stores and commits results, at most `pending` at a time."""

    def __init__(
        self,
        bucket: ObjectStore,
        *,
        pending: int,
        connections: int,
        unsafe_commit: bool,
        clock: Callable[[], float],
    ) -> None:
        """`clock` in seconds: it goes on while the machine sleeps, as sweeps do."""
        self._bucket = bucket
        self._executor = BoundedExecutor(pending)
        self._threads = UploadThreads(connections)
        self._unsafe_commit = unsafe_commit
        self._clock = clock

    async def begin(self, work: Work, outputs: Finished) -> "Future[Manifest]":
        """Waits for a free place alone. The future raises the HTTPException to answer with."""
        return await self._executor.submit_soon(self._store, work, outputs)

    def _store(self, work: Work, outputs: Finished) -> Manifest:
        attempt, began = work.attempt, self._clock()
        try:
            with (
                FailureRecorder(store=self._bucket).answering(attempt),
                metrics.UPLOAD_SECONDS.time(),
            ):
                planned = self._planned(work, outputs.result)
                with attempt.timed("upload"):
                    uploaded = upload_artifacts(
                        self._bucket, outputs.files, planned, threads=self._threads
                    )
                now = {"created_at": datetime.now(UTC), "timings_ms": attempt.timings}
                manifest = uploaded.model_copy(update=now)
                committed = commit(self._bucket, manifest, seconds=self._clock() - began)
                return _counted(attempt, committed)
        finally:
            work.close()

    def _planned(self, work: Work, result: JsonValue) -> Manifest:
        """The manifest as it is before its artifacts are stored."""
        attempt = work.attempt
        return Manifest(
            key=attempt.key,
            request_id=attempt.request_id,
            job=work.metadata.job,
            item=attempt.request_id if work.metadata.item is None else work.metadata.item,
            labels=dict(work.metadata.labels),
            attempt=attempt.name,
            fingerprint=work.fingerprint,
            model=attempt.model,
            created_at=datetime.now(UTC),
            timings_ms=attempt.timings,
            result=result,
            artifacts=[],
            unsafe_commit=self._unsafe_commit,
        )


def _counted(attempt: Attempt, committed: Manifest) -> Manifest:
    if committed.attempt == attempt.name:
        metrics.RESULTS_STORED.inc()
        metrics.ARTIFACT_BYTES.inc(committed.artifact_bytes)
    else:
        metrics.RACES_LOST.inc()
    return committed


class BoundedExecutor:
    """A thread pool whose `submit_soon` waits while `limit` calls are unfinished."""

    def __init__(self, limit: int) -> None:
        self._free = threading.BoundedSemaphore(limit)
        self._pool = ThreadPoolExecutor(limit, thread_name_prefix="outbox-upload")

    async def submit_soon(
        self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> "Future[T]":
        # Waits in the predict slot: Truss begins no further request, and the disk does not fill up.
        if not self._free.acquire(blocking=False):
            await to_thread.run_sync(self._free.acquire)
        return self._submit(function, *args, **kwargs)

    def _submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
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
