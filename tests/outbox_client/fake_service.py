"""A queue and a model in one, working on a real bucket by the contract's own writer."""

import base64
import datetime
import json
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outbox_client.bucket.naming import Naming
from outbox_client.errors import UnknownRequestError
from outbox_client.service.api import QueueStatus, RequestStatus
from truss_outbox.contract.errors import KeyConflictError
from truss_outbox.contract.fingerprint import fingerprint, input_digest
from truss_outbox.contract.keys import new_attempt
from truss_outbox.contract.manifest import Failure, Manifest, ModelInfo
from truss_outbox.contract.metadata import RequestMetadata
from truss_outbox.stores import ObjectStore
from truss_outbox.stores.commit import commit, find_manifest, record_failure
from truss_outbox.stores.upload import upload_artifacts

MODEL = ModelInfo(name="fake", version="1", environment="production")


class FakeService:
    """Implements AsyncApi. What is queued runs at once, or in `run_queued` when `held`."""

    def __init__(self, store: ObjectStore, naming: Naming, directory: Path) -> None:
        self.store = store
        self.naming = naming
        self.held = False
        self.bodies: dict[str, Mapping[str, Any]] = {}
        self.statuses: dict[str, RequestStatus] = {}
        self.status_calls = 0
        self.inferences = 0
        self._directory = directory
        self._lock = threading.Lock()

    def submit(self, body: Mapping[str, Any]) -> str:
        request_id = uuid.uuid4().hex
        self.bodies[request_id] = body
        self.statuses[request_id] = RequestStatus(status="QUEUED")
        if not self.held:
            self.run(request_id)
        return request_id

    def status(self, request_id: str) -> RequestStatus:
        self.status_calls += 1
        if request_id not in self.statuses:
            raise UnknownRequestError("the service does not know it", status=404)
        return self.statuses[request_id]

    def cancel(self, request_id: str) -> bool:
        if self.status(request_id).status != "QUEUED":
            return False
        self.statuses[request_id] = RequestStatus(status="CANCELED")
        return True

    def queue_status(self) -> QueueStatus:
        queued = [status for status in self.statuses.values() if status.status == "QUEUED"]
        return QueueStatus(queued=len(queued), in_progress=0)

    def run_queued(self) -> None:
        for request_id, status in list(self.statuses.items()):
            if status.status == "QUEUED":
                self.run(request_id)

    def run(self, request_id: str) -> None:
        """What the model does with a request."""
        model_input = self.bodies[request_id]["model_input"]
        content = dict(model_input)
        metadata = RequestMetadata(**content.pop(self.naming.metadata_field))
        key = self.naming.key(metadata, request_id=request_id)
        assert key is not None
        if metadata.model_input is not None:
            assert not content
            content = json.loads(self.store.get(metadata.model_input))
        print_ = fingerprint(input_digest(content), model_version=MODEL.version)
        standing = find_manifest(self.store, key)
        if standing is not None and standing.fingerprint != print_:
            error = KeyConflictError(key, request_id=standing.request_id)
            self.fail(request_id, key, code=error.code, message=str(error))
            return
        if standing is None:
            self._infer(request_id, key, metadata, content, print_)
        self.statuses[request_id] = RequestStatus(status="SUCCEEDED")

    def fail(
        self, request_id: str, key: str, *, code: str, message: str, retryable: bool = False
    ) -> None:
        failure = Failure(
            key=key,
            request_id=request_id,
            attempt=new_attempt(),
            code=code,
            message=message,
            retryable=retryable,
            model=MODEL,
            created_at=datetime.datetime.now(datetime.UTC),
        )
        record_failure(self.store, failure)
        errors = (("MODEL_PREDICT_ERROR", "the model failed"),)
        self.statuses[request_id] = RequestStatus(status="FAILED", errors=errors)

    def read(self, file: Mapping[str, str]) -> bytes:
        """The bytes that a reference stands for."""
        if "base64" in file:
            return base64.b64decode(file["base64"])
        return self.store.get(file["input"])

    def _infer(
        self,
        request_id: str,
        key: str,
        metadata: RequestMetadata,
        content: Mapping[str, Any],
        print_: str,
    ) -> None:
        """Two artifacts: the first file of the input, and its size."""
        references = (
            value
            for value in content.values()
            if isinstance(value, dict) and {"base64", "input"} & value.keys()
        )
        data = next(map(self.read, references), b"")
        with self._lock:
            self.inferences += 1
        attempt = new_attempt()
        work = self._directory / attempt
        (work / "pages").mkdir(parents=True)
        (work / "copy.bin").write_bytes(data)
        (work / "pages" / "size.txt").write_text(str(len(data)))
        files = {"copy.bin": work / "copy.bin", "pages/size.txt": work / "pages" / "size.txt"}
        manifest = Manifest(
            key=key,
            request_id=request_id,
            job=metadata.job,
            item=metadata.item or request_id,
            labels=dict(metadata.labels),
            attempt=attempt,
            fingerprint=print_,
            model=MODEL,
            created_at=datetime.datetime.now(datetime.UTC),
            artifacts=[],
        )
        commit(self.store, upload_artifacts(self.store, files, manifest))
