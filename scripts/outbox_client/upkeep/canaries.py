"""Doctor's canaries: requests that go the whole way through a deployment, but for the inference."""

import hashlib
import math
import secrets
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

from truss_outbox.contract.errors import NotFoundError, OutboxError, StoreError
from truss_outbox.contract.keys import (
    CANARY_FOLDER,
    artifact_key,
    canary_key,
    escape,
    manifest_key,
)
from truss_outbox.contract.manifest import Failure, Manifest, check_artifact

from ..bucket.bucket import Bucket
from ..bucket.listed import StoredObject
from ..bucket.naming import Naming
from ..bucket.records import read_failure, read_manifest
from ..clock import SYSTEM_CLOCK, Clock
from ..errors import ServiceError, ServiceUnavailableError
from ..service.api import ModelApi, RequestStatus, bare_id

JOB = CANARY_FOLDER
_RETRIED = {"max_attempts": 3, "initial_delay_ms": 200, "max_delay_ms": 1_000}

_UNDER_WAY = frozenset({"QUEUED", "IN_PROGRESS"})
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 2.0
_LATE_STATUS_SECONDS = 30.0
"""How long the service may take to know of an end that the bucket shows."""
_SHORTEST_IN_QUEUE_SECONDS = 10
_MAX_ARTIFACT_BYTES = 1 << 20


@dataclass(kw_only=True, slots=True)
class SentCanary:
    """One request of doctor's, and what has been seen of it.

    `error` is the call's: of the submit, or of the synchronous call, which has an `answer` instead
    of an `answered_id`. `problem` is that of a result that is there and cannot be read.
    `committed_seconds` are by the bucket's clock, `seen_seconds` by this machine's; both are from
    the submit until the manifest.
    """

    name: str
    item: str
    sent_at: float
    """By `Clock.elapsed`."""
    bucket_time: datetime | None = None
    error: ServiceError | None = None
    answer: Mapping[str, Any] | None = None
    answered_id: str | None = None
    status: RequestStatus | None = None
    manifest: Manifest | None = None
    problem: OutboxError | None = None
    failures: list[Failure] = field(default_factory=list)
    committed_seconds: float | None = None
    seen_seconds: float | None = None

    @property
    def key(self) -> str:
        return canary_key(self.item)

    @property
    def path(self) -> str:
        """Of its manifest."""
        return manifest_key(self.key)

    @property
    def has_ended(self) -> bool:
        """By what the service says."""
        return self.status is not None and self.status.status not in _UNDER_WAY

    @property
    def is_lost(self) -> bool:
        """Whether nothing came back from the call: the request may run."""
        return isinstance(self.error, ServiceUnavailableError) and self.error.status is None

    @property
    def answered_manifest(self) -> str | None:
        """Where the result is, by the answer to a synchronous call; None where it is no pointer."""
        place = (self.answer or {}).get("manifest")
        return place if isinstance(place, str) and place.endswith(self.path) else None

    @property
    def other_root(self) -> str | None:
        """Where a synchronous call's result was stored, and is not found."""
        if self.manifest is not None or self.answered_manifest is None:
            return None
        return self.answered_manifest.removesuffix(f"/{self.path}")

    @property
    def told(self) -> Mapping[str, Any]:
        """What the model says of itself in the result."""
        result = self.manifest.result if self.manifest else None
        return result if isinstance(result, dict) else {}

    def document(self) -> dict[str, Any]:
        """All of it, as JSON."""
        manifest = self.manifest
        return {
            "canary": self.name,
            "key": self.key,
            "error": None if self.error is None else str(self.error),
            "answered_id": self.answered_id,
            "answered_manifest": self.answered_manifest,
            "status": self.status and self.status.status,
            "errors": [list(one) for one in self.status.errors] if self.status else [],
            "committed_seconds": self.committed_seconds,
            "seen_seconds": self.seen_seconds,
            "problem": None if self.problem is None else str(self.problem),
            "manifest": manifest
            and manifest.model_dump(
                mode="json",
                include={"request_id", "attempt", "created_at", "model", "timings_ms", "result"},
            ),
            "failures": [
                one.model_dump(mode="json", include={"request_id", "attempt", "code", "message"})
                for one in self.failures
            ],
        }


@dataclass(kw_only=True, slots=True)
class CleanUp:
    """Which of the canaries' objects could not be deleted, and why."""

    left: list[str] = field(default_factory=list)
    error: StoreError | None = None


@dataclass(kw_only=True)
class Trial:
    """A deployment that is tried out. `ask_time` gives the time by the bucket's clock.

    A canary is seen in the bucket by its key, so that the answer to its submit may be lost.
    """

    api: ModelApi
    bucket: Bucket
    naming: Naming
    ask_time: Callable[[], datetime | None]
    timeout_seconds: float
    clock: Clock = SYSTEM_CLOCK
    canaries: list[SentCanary] = field(default_factory=list)
    _name: str = field(default_factory=lambda: secrets.token_hex(8))

    def submit(self, name: str, *, fail_attempts: int = 0) -> SentCanary:
        """Tries once: what goes wrong is what is looked for."""
        canary = self._made(name)
        seconds = max(_SHORTEST_IN_QUEUE_SECONDS, math.ceil(self.timeout_seconds))
        body = {
            "model_input": self._model_input(canary, fail_attempts),
            "max_time_in_queue_seconds": seconds,
            "inference_retry_config": _RETRIED,
        }
        try:
            canary.answered_id = self.api.submit(body)
        except ServiceError as error:
            canary.error = error
        return canary

    def call(self, name: str) -> SentCanary:
        """Call the model synchronously."""
        canary = self._made(name)
        try:
            canary.answer = self.api.predict(self._model_input(canary))
        except ServiceError as error:
            canary.error = error
        self._look([canary])
        self._read_failures(canary)
        return canary

    def wait(self) -> None:
        """Until the end of each canary is known, or the time is over; what is queued is canceled.

        Raises StoreError where the bucket cannot be listed.
        """
        end, pause = self.clock.elapsed() + self.timeout_seconds, _FIRST_PAUSE_SECONDS
        while True:
            self._look(self.canaries)
            awaited = [canary for canary in self.canaries if self._is_awaited(canary)]
            if not awaited or self.clock.elapsed() >= end:
                break
            self.clock.sleep(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, 1.5 * pause)
        for canary in self.canaries:
            self._cancel(canary)
            self._read_failures(canary)

    def clean_up(self) -> CleanUp:
        """Delete the canaries' objects, manifests first: what one names is there as long as it."""
        done = CleanUp()
        try:
            committed = set(self.bucket.keys(f"manifests/{CANARY_FOLDER}/"))
            for canary in self.canaries:
                self._delete_all(canary, committed, done)
        except StoreError as error:
            done.error = error
        return done

    def _made(self, name: str) -> SentCanary:
        bucket_time = self.ask_time()
        item, sent_at = f"{self._name}-{name}", self.clock.elapsed()
        canary = SentCanary(name=name, item=item, sent_at=sent_at, bucket_time=bucket_time)
        self.canaries.append(canary)
        return canary

    def _model_input(self, canary: SentCanary, fail_attempts: int = 0) -> dict[str, Any]:
        order = {"fail_attempts": fail_attempts}
        metadata = {"job": JOB, "item": canary.item, "canary": order}
        return {self.naming.metadata_field: metadata}

    def _look(self, canaries: list[SentCanary]) -> None:
        """The service first: what had ended by then is in the listing, or nowhere."""
        for canary in canaries:
            if canary.answered_id is not None and not canary.has_ended:
                self._ask(canary)
        if all(canary.manifest or canary.problem for canary in canaries):
            return
        listed = {found.key: found for found in self.bucket.objects(f"manifests/{CANARY_FOLDER}/")}
        for canary in canaries:
            found = listed.get(canary.path)
            if found is not None and canary.manifest is None:
                self._read(canary, found)

    def _ask(self, canary: SentCanary) -> None:
        assert canary.answered_id is not None
        try:
            canary.status = self.api.status(canary.answered_id)
        except ServiceError:
            return  # it may know or say it the next time

    def _read(self, canary: SentCanary, found: StoredObject) -> None:
        canary.seen_seconds = round(self.clock.elapsed() - canary.sent_at, 3)
        if canary.bucket_time is not None:
            seconds = (found.modified_at - canary.bucket_time).total_seconds()
            canary.committed_seconds = max(0.0, round(seconds, 3))
        try:
            canary.manifest, _ = read_manifest(self.bucket, found.key)
            for artifact in canary.manifest.artifacts:
                key = artifact_key(canary.key, canary.manifest.attempt, artifact.name)
                data = self.bucket.get(key, max_bytes=_MAX_ARTIFACT_BYTES)
                check_artifact(artifact, size=len(data), sha256=hashlib.sha256(data).hexdigest())
        except OutboxError as error:
            canary.problem = error

    def _is_awaited(self, canary: SentCanary) -> bool:
        if canary.error is not None and not canary.is_lost:
            return False
        if canary.manifest is None and canary.problem is None:
            return not canary.has_ended
        if canary.answered_id is None or canary.has_ended:
            return False
        assert canary.seen_seconds is not None
        seen_at = canary.sent_at + canary.seen_seconds
        return self.clock.elapsed() - seen_at < _LATE_STATUS_SECONDS

    def _cancel(self, canary: SentCanary) -> None:
        if canary.status is not None and canary.status.status == "QUEUED" and canary.answered_id:
            try:
                self.api.cancel(canary.answered_id)
            except ServiceError:
                return  # it expires by itself

    def _read_failures(self, canary: SentCanary) -> None:
        paths = chain.from_iterable(self.bucket.keys(one) for one in self._failures_of(canary))
        failures = (read_failure(self.bucket, path) for path in paths)
        canary.failures = [failure for failure in failures if failure is not None]

    def _delete_all(self, canary: SentCanary, committed: Container[str], done: CleanUp) -> None:
        folders = list(self._failures_of(canary))
        if canary.path not in committed or self._delete(canary.path, done):
            folders.append(f"artifacts/{canary.key}/")
        for key in chain.from_iterable(self.bucket.keys(folder) for folder in folders):
            self._delete(key, done)

    def _delete(self, key: str, done: CleanUp) -> bool:
        try:
            self.bucket.delete(key)
        except NotFoundError:
            return True
        except StoreError as error:
            done.left.append(key)
            done.error = error
            return False
        return True

    def _failures_of(self, canary: SentCanary) -> Iterator[str]:
        """Folders: its own, and that of the request, for a library that knows no canaries."""
        yield f"failures/{canary.key}/"
        if canary.answered_id is not None:
            request = escape(bare_id(canary.answered_id))
            yield f"failures/{self.naming.prefix(JOB)}{request}/"
